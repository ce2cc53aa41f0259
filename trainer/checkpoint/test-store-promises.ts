/** What every store promises, as tests that run against each of them. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import * as fc from 'fast-check';
import type { Store } from './store.ts';

export type StoreUnderTest = {
  /** The URI of a folder that has not been used yet. */
  readonly freshUri: () => string;
  readonly open: (uri: string) => Store;
  /** For processes of their own, which open the same URI. */
  readonly env: Readonly<Record<string, string>>;
  /** Sequences and repetitions to try, as many as the store's speed allows. */
  readonly effort: number;
};

const text = (value: string): readonly Uint8Array[] => [Buffer.from(value)];

const BAD_KEYS = [
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
];

/** Runs all of them as subtests. */
export async function storePromises(t: TestContext, { freshUri, open, env, effort }: StoreUnderTest): Promise<void> {
  const fresh = (): Store => open(freshUri());

  await t.test('an object is read as it was written, from its parts in order', async () => {
    const store = fresh();
    const parts = [Buffer.from('ab'), new Uint8Array(), Buffer.from('c')];
    const entry = await store.write('checkpoints/000000000001/state.json', parts);
    assert.equal(entry?.size, 3);
    assert.equal(String(await store.read('checkpoints/000000000001/state.json')), 'abc');
    assert.deepEqual(await store.head('checkpoints/000000000001/state.json'), entry);
    assert.deepEqual(await store.list(''), [entry]);
    assert.equal(String(await store.readRange('checkpoints/000000000001/state.json', 1, 99)), 'bc');
    assert.equal((await store.readRange('checkpoints/000000000001/state.json', 50, 99))?.length, 0, 'nothing is there beyond the end');
    assert.equal(await store.readRange('none', 0, 1), undefined);
    assert.equal(String(await store.read('checkpoints/000000000001/state.json', 3)), 'abc');
    await assert.rejects(store.read('checkpoints/000000000001/state.json', 2), {
      code: 'CheckpointInvalid',
      message: /state\.json has 3 bytes, more than the 2 that are read/,
    });
    const nothing = await store.write('empty', []);
    assert.deepEqual([nothing?.size, (await store.read('empty'))?.length, (await store.head('empty'))?.version], [0, 0, nothing?.version]);
  });

  await t.test('what is larger than any buffer on the way is read as it was written, and never seen in part', async () => {
    const store = fresh();
    const bytes = new Uint8Array(new SharedArrayBuffer(36_000_001)).map((_, index) => index * 2_654_435_761);
    const entry = await store.write('large', [bytes.subarray(0, 5), bytes.subarray(5, 30_000_000), bytes.subarray(30_000_000)]);
    assert.equal(entry?.size, bytes.length);
    assert.deepEqual(await store.head('large'), entry);
    assert.equal(Buffer.compare((await store.read('large')) ?? Buffer.alloc(0), bytes), 0);
    assert.equal(await store.write('large', [bytes], { kind: 'absent' }), undefined);
    const next = await store.write('large', [bytes.subarray(1)], { kind: 'version', version: entry.version });
    assert.equal(next?.size, bytes.length - 1);
    assert.equal(await store.write('large', [bytes], { kind: 'version', version: entry.version }), undefined);
    assert.deepEqual(await store.list(''), [next]);
  });

  await t.test('files go in and out whole, without passing through memory', async () => {
    const store = fresh();
    const folder = await mkdtemp(join(tmpdir(), 'pggan-files-'));
    try {
      const [source, copy] = [join(folder, 'source'), join(folder, 'copy')];
      const bytes = Buffer.alloc(17_000_000, 'radiograph');
      await writeFile(source, bytes);
      const entry = await store.upload('data/file', source);
      assert.equal(entry?.size, bytes.length);
      assert.equal(await store.upload('data/file', source, { kind: 'absent' }), undefined);
      assert.deepEqual(await store.download('data/file', copy), entry);
      assert.equal(Buffer.compare(await readFile(copy), bytes), 0);
      assert.equal(await store.download('data/none', join(folder, 'none')), undefined);
      assert.equal(existsSync(join(folder, 'none')), false);
      await assert.rejects(store.upload('data/other', join(folder, 'none')), { code: 'StoreUnavailable' });
      assert.deepEqual(await store.list(''), [entry]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  await t.test('what is not there is undefined, in a folder that is not there either', async () => {
    const store = fresh();
    assert.equal(await store.read('x'), undefined);
    assert.equal(await store.head('x'), undefined);
    assert.deepEqual(await store.list(''), []);
    await store.remove('x');
  });

  await t.test('objects are listed by prefix and in order, whole names or parts of them', async () => {
    const store = fresh();
    for (const key of ['b/2', 'b/10', 'a', 'b-c', 'b/d/e', 'c d/é&<+%.txt']) await store.write(key, text(key));
    const keys = async (prefix: string) => (await store.list(prefix)).map(({ key }) => key);
    assert.deepEqual(await keys(''), ['a', 'b-c', 'b/10', 'b/2', 'b/d/e', 'c d/é&<+%.txt']);
    assert.deepEqual(await keys('b'), ['b-c', 'b/10', 'b/2', 'b/d/e']);
    assert.deepEqual(await keys('b/1'), ['b/10']);
    assert.deepEqual(await keys('d'), []);
    assert.equal(String(await store.read('c d/é&<+%.txt')), 'c d/é&<+%.txt');
  });

  await t.test('a key that is none is refused by every verb', async () => {
    const store = fresh();
    const refused = { code: 'OptionsInvalid', message: /is no key of a store/ };
    for (const key of BAD_KEYS) {
      await assert.rejects(async () => store.read(key), refused);
      await assert.rejects(async () => store.head(key), refused);
      await assert.rejects(async () => store.write(key, text('x')), refused);
      await assert.rejects(async () => store.remove(key), refused);
      await assert.rejects(async () => store.upload(key, import.meta.filename), refused);
      await assert.rejects(async () => store.download(key, '/dev/null'), refused);
    }
  });

  await t.test('a write on the condition of absence goes through once', async () => {
    const store = fresh();
    assert.ok(await store.write('owner.json', text('first'), { kind: 'absent' }));
    assert.equal(await store.write('owner.json', text('second'), { kind: 'absent' }), undefined);
    assert.equal(String(await store.read('owner.json')), 'first');
  });

  await t.test('a write on the condition of a version goes through for the version that is there, and only for it', async () => {
    const store = fresh();
    const first = await store.write('owner.json', text('1'));
    const second = await store.write('owner.json', text('2'), { kind: 'version', version: first?.version ?? '' });
    assert.ok(second && second.version !== first?.version);
    assert.equal(await store.write('owner.json', text('3'), { kind: 'version', version: first?.version ?? '' }), undefined);
    const third = await store.write('owner.json', text('4'), { kind: 'version', version: second.version });
    assert.equal(String(await store.read('owner.json')), '4');
    assert.deepEqual(await store.list(''), [third]);
    assert.equal(await store.write('owner.json', text('5'), { kind: 'absent' }), undefined);
    await store.write('owner.json', text('6'));
    assert.equal(String(await store.read('owner.json')), '6');
    await store.remove('owner.json');
    assert.equal(await store.head('owner.json'), undefined);
    assert.equal(await store.write('gone', text('x'), { kind: 'version', version: 'g1' }), undefined);
  });

  await t.test('the store keeps its promises over any sequence of operations', async () => {
    const key = fc.constantFrom('a', 'b/c');
    const operation = fc.oneof(
      fc.record({ kind: fc.constant('write' as const), key, value: fc.string() }),
      fc.record({ kind: fc.constant('create' as const), key, value: fc.string() }),
      fc.record({ kind: fc.constant('swap' as const), key, value: fc.string(), stale: fc.boolean() }),
      fc.record({ kind: fc.constant('remove' as const), key }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 12 }), async (operations) => {
        const store = fresh();
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
            (await store.list('')).map((entry) => entry.key),
            [...model.keys()].sort(),
          );
          for (const name of ['a', 'b/c']) assert.equal((await store.read(name))?.toString(), model.get(name));
        }
      }),
      { numRuns: effort },
    );
  });

  await t.test('of processes that add to a counter by version, none loses an addition of another', async () => {
    const uri = freshUri();
    await open(uri).write('counter', text('0'));
    const script = `
      for (let added = 0; added < ${effort}; ) {
        const { version } = await store.head('counter');
        const value = Number(await store.read('counter'));
        if (await store.write('counter', [Buffer.from(String(value + 1))], { kind: 'version', version })) added += 1;
      }`;
    await Promise.all([1, 2, 3].map(() => inProcess(script, uri, env)));
    assert.ok(
      Number(await open(uri).read('counter')) >= 3 * effort,
      `every addition counts; got ${String(await open(uri).read('counter'))}`,
    );
    assert.deepEqual(
      (await open(uri).list('')).map((entry) => entry.key),
      ['counter'],
    );
  });

  await t.test('of processes that create one object, exactly one does', async () => {
    const uri = freshUri();
    const script = `
      for (let i = 0; i < ${effort}; i++)
        if (await store.write('claims/' + i, [Buffer.from(String(process.pid))], { kind: 'absent' })) process.stdout.write(i + ' ');`;
    const said = await Promise.all([1, 2, 3].map(() => inProcess(script, uri, env)));
    const won = said.flatMap((each) => each.split(' ').filter(Boolean)).map(Number);
    assert.deepEqual(
      won.sort((a, b) => a - b),
      Array.from({ length: effort }, (_, i) => i),
    );
  });

  await t.test('a reader sees the old object or the new one, whole, while another process replaces it', async () => {
    const uri = freshUri();
    const store = open(uri);
    const size = 200_000;
    await store.write('x', [Buffer.alloc(size, 'a')]);
    const state = { writing: true };
    const script = `for (let i = 0; i < ${2 * effort}; i++) await store.write('x', [Buffer.alloc(${size}, i % 2 ? 'a' : 'b')]);`;
    const writing = inProcess(script, uri, env).finally(() => (state.writing = false));
    let reads = 0;
    while (state.writing) {
      const bytes = await store.read('x');
      assert.equal(bytes?.byteLength, size);
      assert.ok(bytes.equals(Buffer.alloc(size, bytes[0])));
      reads += 1;
    }
    await writing;
    assert.ok(reads > 0);
  });
}

/** Runs a script, which finds `store`, in a Node process of its own; resolves with its stdout when it has ended well. */
export function inProcess(script: string, uri: string, env: Readonly<Record<string, string>>): Promise<string> {
  const opened = `import { openStore } from ${JSON.stringify(new URL('./open-store.ts', import.meta.url).href)};
    const store = openStore(${JSON.stringify(uri)});`;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', opened + script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  });
  let out = '';
  child.stdout.on('data', (chunk) => (out += String(chunk)));
  return new Promise((resolve, reject) =>
    child.on('close', (code) => (code === 0 ? resolve(out) : reject(new Error(`a process ended with ${code}: ${out}`)))),
  );
}
