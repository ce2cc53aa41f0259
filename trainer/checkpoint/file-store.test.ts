import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import * as fc from 'fast-check';
import { fileStore } from './file-store.ts';
import { openStore } from './open-store.ts';

const text = (value: string): readonly Uint8Array[] => [Buffer.from(value)];
const here = (name: string): string => JSON.stringify(new URL(name, import.meta.url).href);

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'pggan-store-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** Runs a script in a Node process of its own; resolves with its stdout when it has ended. */
function inProcess(script: string, args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', script, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let out = '';
  child.stdout.on('data', (chunk) => (out += String(chunk)));
  return new Promise((resolve) => child.on('close', () => resolve(out)));
}

test('an object is read as it was written, from its parts in order', async (t) => {
  const store = fileStore(await folder(t));
  const parts = [Buffer.from('ab'), new Uint8Array(), Buffer.from('c')];
  const entry = await store.write('checkpoints/000000000001/state.json', parts);
  assert.equal(entry?.size, 3);
  assert.equal(String(await store.read('checkpoints/000000000001/state.json')), 'abc');
  assert.deepEqual(await store.head('checkpoints/000000000001/state.json'), entry);
  assert.deepEqual(await store.list(''), [entry]);
});

test('what is not there is undefined, in a folder that is not there either', async (t) => {
  const store = fileStore(join(await folder(t), 'a/b'));
  assert.equal(await store.read('x'), undefined);
  assert.equal(await store.head('x'), undefined);
  assert.deepEqual(await store.list(''), []);
  await store.remove('x');
});

test('objects are listed by prefix and in order, whole names or parts of them', async (t) => {
  const store = fileStore(await folder(t));
  for (const key of ['b/2', 'b/10', 'a', 'b-c', 'b/d/e']) await store.write(key, text(key));
  const keys = async (prefix: string) => (await store.list(prefix)).map(({ key }) => key);
  assert.deepEqual(await keys(''), ['a', 'b-c', 'b/10', 'b/2', 'b/d/e']);
  assert.deepEqual(await keys('b'), ['b-c', 'b/10', 'b/2', 'b/d/e']);
  assert.deepEqual(await keys('b/1'), ['b/10']);
  assert.deepEqual(await keys('c'), []);
});

test('a folder goes with the last object in it', async (t) => {
  const root = await folder(t);
  const store = fileStore(root);
  await store.write('a/b/c', text('1'));
  await store.remove('a/b/c');
  assert.equal(existsSync(join(root, 'a')), false);
});

for (const key of [
  '',
  '/a',
  'a/',
  'a//b',
  '../a',
  'a/../b',
  './a',
  '.hidden',
  'a/.b',
  'a\\b',
  'a\nb',
  'a\0b',
  'x'.repeat(300),
  'a/'.repeat(600),
]) {
  test(`the key ${JSON.stringify(key.slice(0, 20))} (${key.length} characters) is refused by every verb`, async (t) => {
    const store = fileStore(await folder(t));
    const refused = { code: 'OptionsInvalid', message: /is no key of a store/ };
    await assert.rejects(async () => store.read(key), refused);
    await assert.rejects(async () => store.head(key), refused);
    await assert.rejects(async () => store.write(key, text('x')), refused);
    await assert.rejects(async () => store.remove(key), refused);
  });
}

test('a write on the condition of absence goes through once', async (t) => {
  const store = fileStore(await folder(t));
  assert.ok(await store.write('owner.json', text('first'), { kind: 'absent' }));
  assert.equal(await store.write('owner.json', text('second'), { kind: 'absent' }), undefined);
  assert.equal(String(await store.read('owner.json')), 'first');
});

test('a write on the condition of a version goes through for the version that is there, and only for it', async (t) => {
  const root = await folder(t);
  const store = fileStore(root);
  const first = await store.write('owner.json', text('1'));
  const second = await store.write('owner.json', text('2'), { kind: 'version', version: first?.version ?? '' });
  assert.ok(second && second.version !== first?.version);
  assert.equal(await store.write('owner.json', text('3'), { kind: 'version', version: first?.version ?? '' }), undefined);
  const third = await store.write('owner.json', text('4'), { kind: 'version', version: second.version });
  assert.equal(String(await store.read('owner.json')), '4');
  assert.deepEqual(await store.list(''), [third]);
  assert.equal(await readFile(join(root, 'owner.json'), 'utf8'), '4', 'people who look into the folder see the same');
  assert.equal(await store.write('owner.json', text('5'), { kind: 'absent' }), undefined);
  await store.write('owner.json', text('6'));
  assert.equal(String(await store.read('owner.json')), '6');
  await store.remove('owner.json');
  assert.equal(await store.head('owner.json'), undefined);
  assert.equal(await store.write('gone', text('x'), { kind: 'version', version: 'g1' }), undefined);
});

test('the store keeps its promises over any sequence of operations', async (t) => {
  const base = await folder(t);
  let run = 0;
  const operation = fc.oneof(
    fc.record({ kind: fc.constant('write' as const), key: fc.constantFrom('a', 'b/c'), value: fc.string() }),
    fc.record({ kind: fc.constant('create' as const), key: fc.constantFrom('a', 'b/c'), value: fc.string() }),
    fc.record({ kind: fc.constant('swap' as const), key: fc.constantFrom('a', 'b/c'), value: fc.string(), stale: fc.boolean() }),
    fc.record({ kind: fc.constant('remove' as const), key: fc.constantFrom('a', 'b/c') }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { maxLength: 12 }), async (operations) => {
      const store = fileStore(join(base, String(run++)));
      const model = new Map<string, string>();
      for (const step of operations) {
        const before = await store.head(step.key);
        if (step.kind === 'write') await store.write(step.key, text(step.value));
        if (step.kind === 'create')
          assert.equal((await store.write(step.key, text(step.value), { kind: 'absent' })) !== undefined, !model.has(step.key));
        if (step.kind === 'swap') {
          const version = step.stale || !before ? 'g999' : before.version;
          const done = await store.write(step.key, text(step.value), { kind: 'version', version });
          assert.equal(done !== undefined, !step.stale && model.has(step.key));
          if (done) model.set(step.key, step.value);
        }
        if (step.kind === 'remove') await store.remove(step.key);
        if (step.kind === 'write' || (step.kind === 'create' && !model.has(step.key))) model.set(step.key, step.value);
        if (step.kind === 'remove') model.delete(step.key);
        assert.deepEqual(
          (await store.list('')).map(({ key }) => key),
          [...model.keys()].sort(),
        );
        for (const key of ['a', 'b/c']) assert.equal((await store.read(key))?.toString(), model.get(key));
      }
    }),
    { numRuns: 30 },
  );
});

test('of processes that add to a counter by version, none loses an addition of another', async (t) => {
  const root = await folder(t);
  await fileStore(root).write('counter', text('0'));
  const script = `
    import { fileStore } from ${here('./file-store.ts')};
    const store = fileStore(process.argv[1]);
    for (let added = 0; added < 20; ) {
      const { version } = await store.head('counter');
      const value = Number(await store.read('counter'));
      if (await store.write('counter', [Buffer.from(String(value + 1))], { kind: 'version', version })) added += 1;
    }`;
  await Promise.all([1, 2, 3].map(() => inProcess(script, [root])));
  const store = fileStore(root);
  assert.ok(Number(await store.read('counter')) >= 60, `every addition counts; got ${String(await store.read('counter'))}`);
  assert.deepEqual(
    (await store.list('')).map(({ key }) => key),
    ['counter'],
  );
  assert.deepEqual(await readdir(join(root, '.unfinished')), []);
});

test('a reader sees the old object or the new one, whole, while another process replaces it', async (t) => {
  const root = await folder(t);
  const store = fileStore(root);
  const size = 200_000;
  await store.write('x', [Buffer.alloc(size, 'a')]);
  const writing = inProcess(
    `import { fileStore } from ${here('./file-store.ts')};
     const store = fileStore(process.argv[1]);
     for (let i = 0; i < 40; i++) await store.write('x', [Buffer.alloc(${size}, i % 2 ? 'a' : 'b')]);`,
    [root],
  );
  const state = { writing: true };
  void writing.then(() => (state.writing = false));
  let reads = 0;
  while (state.writing) {
    const bytes = await store.read('x');
    assert.equal(bytes?.byteLength, size);
    assert.ok(bytes.equals(Buffer.alloc(size, bytes[0])));
    reads += 1;
  }
  assert.ok(reads > 0);
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
  const script = `
    import { fileStore } from ${here('./file-store.ts')};
    try { await fileStore(process.argv[1]).write('a', [Buffer.alloc(1 << 20)]); } catch (error) { process.stdout.write(error.code + ': ' + error.message); }`;
  const ran = spawnSync(
    'sh',
    ['-c', 'ulimit -f 64; exec "$@"', 'sh', process.execPath, '--input-type=module-typescript', '-e', script, root],
    { encoding: 'utf8' },
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
    return t.skip(`this machine lets nobody mount a small file system: ${ran.error?.message ?? ran.stderr.trim()}`);
  assert.equal(ran.stdout, 'StoreFull old 600000 1', ran.stderr);
});

test('URIs of folders are opened, others are refused with what would be right', async (t) => {
  const root = await folder(t);
  const store = openStore(pathToFileURL(root).href);
  await store.write('a', text('x'));
  assert.equal(await readFile(join(fileURLToPath(store.uri), 'a'), 'utf8'), 'x');
  assert.throws(() => openStore('s3://bucket/runs'), { code: 'StoreUnavailable', message: /s3:\/\/bucket\/runs/ });
  assert.throws(() => openStore('pvc://claim/x'), { code: 'OptionsInvalid' });
  assert.throws(() => openStore('/plain/path'), { code: 'OptionsInvalid', message: /file:\/\// });
  assert.throws(() => openStore('file://host/share'), { code: 'OptionsInvalid' });
});
