import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { fileStore } from './file-store.ts';
import { openStore } from './open-store.ts';
import { lacking } from '../../test/harness/lacking.ts';

const text = (value: string): readonly Uint8Array[] => [Buffer.from(value)];
const here = (name: string): string => JSON.stringify(new URL(name, import.meta.url).href);

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'pggan-store-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** Runs a script in a process that may write files of 32 KiB. */
function withSmallFiles(script: string, ...args: readonly string[]) {
  const whole = `import { fileStore } from ${here('./file-store.ts')};\n${script}`;
  const node = [process.execPath, '--input-type=module-typescript', '-e', whole];
  return spawnSync('sh', ['-c', 'ulimit -f 64; exec "$@"', 'sh', ...node, ...args], { encoding: 'utf8' });
}

test('a folder goes with the last object in it', async (t) => {
  const root = await folder(t);
  const store = fileStore(root);
  await store.write('a/b/c', text('1'));
  await store.remove('a/b/c');
  assert.equal(existsSync(join(root, 'a')), false);
});

test('people who look into the folder see what was written on a condition', async (t) => {
  const root = await folder(t);
  const store = fileStore(root);
  const first = await store.write('owner.json', text('1'));
  await store.write('owner.json', text('2'), { kind: 'version', version: first?.version ?? '' });
  assert.equal(await readFile(join(root, 'owner.json'), 'utf8'), '2');
  assert.deepEqual(await readdir(join(root, '.unfinished')), []);
});

test('files that others leave among the generations of an object, as NFS and tools that copy do, are no generations', {
  timeout: 60_000,
}, async (t) => {
  const root = await folder(t);
  const store = fileStore(root);
  const first = await store.write('owner.json', text('1'));
  const second = await store.write('owner.json', text('2'), { kind: 'version', version: first?.version ?? '' });
  for (const name of ['.nfs00000000000000120001', '.9.xYz123']) await writeFile(join(root, '.owner.json.generations', name), 'other');
  assert.deepEqual(await store.head('owner.json'), second);
  assert.equal(String(await store.read('owner.json')), '2');
  assert.ok(await store.write('owner.json', text('3'), { kind: 'version', version: second?.version ?? '' }));
  assert.equal(String(await store.read('owner.json')), '3');
});

test('what a killed writer left unfinished is not listed and is removed; what a living one writes stays', async (t) => {
  const root = await folder(t);
  const child = spawn(
    process.execPath,
    [
      '--input-type=module-typescript',
      '-e',
      `import { scratchFolder } from ${here('./scratch.ts')};
       await scratchFolder(process.argv[1]).write([Buffer.from('half')]);
       process.stdout.write('written');
       setInterval(() => {}, 1000);`,
      root,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  t.after(() => child.kill('SIGKILL'));
  await new Promise((resolve) => child.stdout.once('data', resolve));
  const store = fileStore(root);
  assert.deepEqual(await store.list(''), []);
  assert.equal((await readdir(join(root, '.unfinished'))).length, 1, 'its writer lives');
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
  assert.deepEqual(await store.list(''), []);
  assert.deepEqual(await readdir(join(root, '.unfinished')), []);
});

test('a file where the folder should be is StoreUnavailable, naming the store, the key and the reason', async (t) => {
  const root = await folder(t);
  await writeFile(join(root, 'file'), '');
  await assert.rejects(fileStore(join(root, 'file')).write('a', text('x')), {
    code: 'StoreUnavailable',
    message: /cannot write a in file:.*\/file: a part of the path is a file/,
  });
});

test('a missing folder is StoreUnavailable for who must not make it', async (t) => {
  const store = fileStore(join(await folder(t), 'missing'), { create: false });
  await assert.rejects(store.list(''), { code: 'StoreUnavailable', message: /cannot list file:.*missing: the folder is not there/ });
  await assert.rejects(store.write('a', text('x')), { code: 'StoreUnavailable' });
});

test('a folder in the place of an object is an error, not an object', async (t) => {
  const root = await folder(t);
  await mkdir(join(root, 'a'));
  await assert.rejects(fileStore(root).read('a'), { code: 'StoreUnavailable', message: /there is a folder of this name/ });
});

test('a file beyond the limit of the process is StoreFull and leaves the old object and nothing else', async (t) => {
  const root = await folder(t);
  const store = fileStore(root);
  await store.write('a', text('old'));
  const ran = withSmallFiles(
    `try { await fileStore(process.argv[1]).write('a', [Buffer.alloc(1 << 20)]); } catch (error) { process.stdout.write(error.code + ': ' + error.message); }`,
    root,
  );
  assert.match(ran.stdout, /^StoreFull: cannot write a in file:.*no room left/, ran.stderr);
  assert.equal(String(await store.read('a')), 'old');
  assert.deepEqual(await readdir(join(root, '.unfinished')), []);
});

test('a full disk is StoreFull; the old object stays, and writing goes on when there is room', async (t) => {
  const root = await folder(t);
  const script = `
    import { fileStore } from ${here('./file-store.ts')};
    const store = fileStore(process.argv[1]);
    await store.write('a', [Buffer.from('old')]);
    await store.write('ballast', [Buffer.alloc(600_000)]);
    let code = 'none';
    try { await store.write('a', [Buffer.alloc(600_000)]); } catch (error) { code = error.code; }
    const after = String(await store.read('a'));
    await store.remove('ballast');
    const entry = await store.write('a', [Buffer.alloc(600_000)]);
    process.stdout.write([code, after, entry.size, (await store.list('')).length].join(' '));`;
  const inSmallFolder = `exec unshare --user --map-root-user --mount sh -c 'mount -t tmpfs -o size=1m none "$1" && exec "$2" --input-type=module-typescript -e "$3" "$1"' sh "$@"`;
  const ran = spawnSync('sh', ['-c', inSmallFolder, 'sh', root, process.execPath, script], { encoding: 'utf8' });
  if (ran.error || /unshare|mount/.test(ran.stderr))
    return lacking(t, `this machine lets nobody mount a small file system: ${ran.error?.message ?? ran.stderr.trim()}`);
  assert.equal(ran.stdout, 'StoreFull old 600000 1', ran.stderr);
});

test('a download that finds no room is StoreFull of the file that was to be made, and leaves nothing of it', async (t) => {
  const [root, target] = [await folder(t), join(await folder(t), 'copy')];
  await fileStore(root).write('a', [Buffer.alloc(1 << 20)]);
  const ran = withSmallFiles(
    `try { await fileStore(process.argv[1]).download('a', process.argv[2]); } catch (error) { process.stdout.write(error.code + ': ' + error.message); }`,
    root,
    target,
  );
  assert.match(ran.stdout, new RegExp(`^StoreFull: cannot write ${target}: there is no room left`), ran.stderr);
  assert.deepEqual(await readdir(dirname(target)), []);
});

test('URIs of folders are opened, others are refused with what would be right', async (t) => {
  const root = await folder(t);
  const store = openStore(pathToFileURL(root).href);
  await store.write('a', text('x'));
  assert.equal(await readFile(join(fileURLToPath(store.uri), 'a'), 'utf8'), 'x');
  assert.throws(() => openStore('pvc://claim/x'), { code: 'OptionsInvalid' });
  assert.throws(() => openStore('/plain/path'), { code: 'OptionsInvalid', message: /file:\/\// });
  assert.throws(() => openStore('file://host/share'), { code: 'OptionsInvalid' });
  assert.throws(() => openStore('s3://Bucket_1/x'), { code: 'OptionsInvalid', message: /names no bucket/ });
});
