import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { PgganError } from '../../crds/errors.ts';
import { judge } from '../../test/harness/judge.ts';
import { saveCheckpoint } from './checkpoint.ts';
import { fileStore } from './file-store.ts';
import { checkpointKey, FINAL_NETWORK, fileName, jsonBytes, MANIFEST, TENSOR_FILES } from './format.ts';
import { findNewestCheckpoint, listCheckpoints, loadNewestCheckpoint } from './load-checkpoint.ts';
import { joinLogs } from '../report/run-log.ts';
import { applyRetention } from './retention.ts';
import { floatsOf, parseSafetensors } from './safetensors.ts';
import type { Store } from './store.ts';
import { mayWrite, someCheckpoint, someState, temporaryFolder } from './test-checkpoints.ts';

test('a checkpoint is loaded as it was saved: tensors, state, time and parent', async (t) => {
  const store = fileStore(await temporaryFolder(t));
  const first = await saveCheckpoint(store, someCheckpoint(128, 0.5), mayWrite);
  const time = new Date('2026-01-02T03:04:05.678Z');
  const second = await saveCheckpoint(store, someCheckpoint(256, 0.25, { parent: first, phaseEnd: 4, time }), mayWrite);
  const found = await loadNewestCheckpoint(store);
  assert.ok(found);
  const { checkpoint, skipped } = found;
  assert.deepEqual(skipped, []);
  assert.deepEqual(checkpoint.ref, second.ref);
  assert.equal(checkpoint.ref.uri, `${store.uri}/checkpoints/000000000256`);
  assert.deepEqual(checkpoint.manifest, second.manifest);
  assert.deepEqual(checkpoint.manifest.parent, first.ref);
  assert.equal(checkpoint.manifest.time, '2026-01-02T03:04:05.678Z');
  assert.equal(checkpoint.manifest.phaseEnd, 4);
  assert.deepEqual(checkpoint.state, someCheckpoint(256, 0).state);
  for (const name of TENSOR_FILES) {
    const weight = checkpoint.files[name].tensors.get('4x4/Dense/weight');
    assert.deepEqual([...floatsOf(weight ?? assert.fail(), name)], Array(6).fill(0.25));
  }
});

test('the digest of the weights depends on the tensors alone', async (t) => {
  const save = async (value: number, state: object) => {
    const content = someCheckpoint(128, value, { time: new Date(Math.floor(value * 1e9)), logs: {} });
    return (await saveCheckpoint(fileStore(await temporaryFolder(t)), { ...content, state: { ...content.state, ...state } }, mayWrite))
      .manifest.weightsDigest;
  };
  assert.equal(await save(1, {}), await save(1, { secondsTrained: 99, attempt: 7 }));
  assert.notEqual(await save(1, {}), await save(2, {}));
});

test('figures of the saved weights stand in the manifest, also after logs were added, and are absent where nothing was measured', async (t) => {
  const store = fileStore(await temporaryFolder(t));
  const metrics = { SWDx1e3_avg: 12.5 };
  const measured = await saveCheckpoint(store, someCheckpoint(128, 1, { metrics }), mayWrite);
  await saveCheckpoint(store, someCheckpoint(128, 1, { parent: measured, logs: { 'log.txt': 'more\n' }, phaseEnd: 4 }), mayWrite);
  const found = await loadNewestCheckpoint(store);
  assert.deepEqual([found?.checkpoint.manifest.metrics, found?.checkpoint.manifest.phaseEnd], [metrics, 4]);
  assert.ok(!('metrics' in (await saveCheckpoint(store, someCheckpoint(256, 1, { parent: measured }), mayWrite)).manifest));
});

for (const [when, images] of [
  ['trained further', 256],
  ['found at its end', 128],
] as const) {
  test(`the final network of a run that was ${when} is there before its last checkpoint is marked as such`, async (t) => {
    const store = fileStore(await temporaryFolder(t));
    const parent = await saveCheckpoint(store, someCheckpoint(128, 1), mayWrite);
    const last = someCheckpoint(images, 2, { parent, phaseEnd: 4, finalNetwork: { model: 'the averaged generator' } });
    const refusing: Store = {
      ...store,
      async write(key, parts, condition) {
        if (key === FINAL_NETWORK) throw new PgganError('StoreUnavailable', `cannot write ${key}`);
        return store.write(key, parts, condition);
      },
    };
    await assert.rejects(saveCheckpoint(refusing, last, mayWrite), { code: 'StoreUnavailable' });
    assert.deepEqual((await loadNewestCheckpoint(store))?.checkpoint.manifest, parent.manifest);

    await saveCheckpoint(store, last, mayWrite);
    assert.equal((await findNewestCheckpoint(store))?.checkpoint.manifest.phaseEnd, 4);
    const { tensors, metadata } = parseSafetensors((await store.read(FINAL_NETWORK)) ?? assert.fail(), FINAL_NETWORK);
    assert.deepEqual(metadata, last.finalNetwork);
    assert.deepEqual([...tensors.keys()].sort(), [...last.files['generator-ema'].tensors.keys()].sort());
  });
}

test('only what is asked for is read and verified', async (t) => {
  const root = await temporaryFolder(t);
  const store = fileStore(root);
  const { key } = await saveCheckpoint(store, someCheckpoint(128, 1), mayWrite);
  await store.remove(`${key}${fileName('discriminator', 1)}`);
  const found = await loadNewestCheckpoint(store, { files: ['generator-ema'] });
  assert.deepEqual(Object.keys(found?.checkpoint.files ?? {}), ['generator-ema']);
});

test('a run without any completed checkpoint has none; an unfinished upload is no checkpoint', async (t) => {
  const store = fileStore(await temporaryFolder(t));
  assert.equal(await loadNewestCheckpoint(store), undefined);
  await store.write(`${checkpointKey(128)}generator.safetensors`, [Buffer.from('x')]);
  assert.equal(await loadNewestCheckpoint(store), undefined);
  assert.equal(await findNewestCheckpoint(store), undefined);
});

const DAMAGES: readonly (readonly [string, string, (path: string) => Promise<void>, RegExp])[] = [
  ['a flipped bit in a tensor', fileName('generator', 1), flipLastBit, /generator-0001\.safetensors has SHA-256 /],
  [
    'a truncated tensor file',
    fileName('adam-generator', 1),
    (path) => truncate(path, 20),
    /adam-generator-0001\.safetensors has 20 bytes, checkpoint\.json says \d+/,
  ],
  [
    'a tensor file that has grown beyond what can be read',
    fileName('generator-ema', 1),
    (path) => truncate(path, 3 * 2 ** 30),
    /generator-ema-0001\.safetensors has 3221225472 bytes, more than the \d+ that are read/,
  ],
  [
    'a manifest that has grown beyond what is read',
    'checkpoint.json',
    (path) => truncate(path, 3 * 2 ** 30),
    /checkpoint\.json has 3221225472 bytes, more than the 67108864 that are read/,
  ],
  ['a changed state', fileName('state', 1), flipLastBit, /state-0001\.json has SHA-256/],
  ['a torn manifest', 'checkpoint.json', (path) => truncate(path, 100), /checkpoint\.json is not JSON/],
  ['an empty manifest', 'checkpoint.json', (path) => truncate(path, 0), /checkpoint\.json is not JSON/],
  [
    'a manifest of another format',
    'checkpoint.json',
    edit('"version": 1', '"version": 2'),
    /checkpoint\.json is not what it should be: version/,
  ],
  ['a manifest of another checkpoint', 'checkpoint.json', edit('"images": 256', '"images": 255'), /checkpoint\.json belongs to images 255/],
  [
    'a manifest that names fewer files',
    'checkpoint.json',
    edit('"generator-0001.safetensors"', '"other.safetensors"'),
    /names no file of the part generator/,
  ],
];
for (const [what, name, damage, reason] of DAMAGES) {
  test(`${what} is noticed; the checkpoint is skipped with the reason and the older one used`, async (t) => {
    const root = await temporaryFolder(t);
    const store = fileStore(root);
    const parent = await saveCheckpoint(store, someCheckpoint(128, 1), mayWrite);
    await saveCheckpoint(store, someCheckpoint(256, 2, { parent }), mayWrite);
    await damage(join(root, checkpointKey(256), name));
    const found = await loadNewestCheckpoint(store);
    assert.deepEqual(found?.checkpoint.ref, parent.ref);
    assert.deepEqual(
      found?.skipped.map(({ key }) => key),
      [checkpointKey(256)],
    );
    assert.match(found?.skipped[0]?.reason ?? '', reason);
  });
}

test('where every checkpoint is damaged the run refuses to begin anew in silence', async (t) => {
  const root = await temporaryFolder(t);
  const store = fileStore(root);
  await saveCheckpoint(store, someCheckpoint(128, 1), mayWrite);
  await flipLastBit(join(root, checkpointKey(128), fileName('generator-ema', 1)));
  await assert.rejects(loadNewestCheckpoint(store), {
    code: 'CheckpointInvalid',
    message: /all 1 checkpoints in file:.* are damaged .*generator-ema.*remove checkpoints\//,
  });
});

test('a quick look takes sizes into account, without reading tensors', async (t) => {
  const root = await temporaryFolder(t);
  const store = fileStore(root);
  const parent = await saveCheckpoint(store, someCheckpoint(128, 1), mayWrite);
  await saveCheckpoint(store, someCheckpoint(256, 2, { parent }), mayWrite);
  assert.equal((await findNewestCheckpoint(store))?.checkpoint.ref.images, 256);
  await truncate(join(root, checkpointKey(256), fileName('generator', 1)), 8);
  const found = await findNewestCheckpoint(store);
  assert.equal(found?.checkpoint.ref.images, 128);
  assert.match(found.skipped[0]?.reason ?? '', /generator-0001\.safetensors has 8 bytes/);
});

test('a damaged checkpoint is replaced when training comes by again', async (t) => {
  const root = await temporaryFolder(t);
  const store = fileStore(root);
  const parent = await saveCheckpoint(store, someCheckpoint(128, 1), mayWrite);
  await saveCheckpoint(store, someCheckpoint(256, 2, { parent }), mayWrite);
  await flipLastBit(join(root, checkpointKey(256), fileName('generator', 1)));
  const content = someCheckpoint(256, 2, { parent });
  const again = await saveCheckpoint(store, { ...content, state: { ...content.state, attempt: 2 } }, mayWrite);
  const found = await loadNewestCheckpoint(store);
  assert.deepEqual(found?.checkpoint.ref, again.ref);
  assert.deepEqual(found?.skipped, []);
});

test('saving where nothing was trained since the parent writes no tensor; new log lines and a phase end are added', async (t) => {
  const store = fileStore(await temporaryFolder(t));
  const parent = await saveCheckpoint(store, someCheckpoint(128, 1), mayWrite);
  const before = await store.list('');
  assert.equal(await saveCheckpoint(store, someCheckpoint(128, 9, { parent, logs: {} }), mayWrite), parent);
  assert.deepEqual(await store.list(''), before);
  const amended = await saveCheckpoint(store, someCheckpoint(128, 9, { parent, phaseEnd: 4 }), mayWrite);
  assert.equal(amended.manifest.phaseEnd, 4);
  assert.equal(amended.manifest.segments.length, 2);
  assert.equal((await loadNewestCheckpoint(store))?.checkpoint.manifest.weightsDigest, parent.manifest.weightsDigest);
});

test('a save that fails half-way leaves nothing behind and can be made again', async (t) => {
  const folder = fileStore(await temporaryFolder(t));
  let room = false;
  const store: Store = {
    ...folder,
    write: async (key, parts, condition) => {
      if (!room && key.includes('adam-generator')) throw new PgganError('StoreFull', 'no room');
      return folder.write(key, parts, condition);
    },
  };
  await assert.rejects(saveCheckpoint(store, someCheckpoint(128, 1), mayWrite), { code: 'StoreFull' });
  assert.deepEqual(await store.list(''), []);
  room = true;
  await saveCheckpoint(store, someCheckpoint(128, 1), mayWrite);
  assert.equal((await loadNewestCheckpoint(store))?.checkpoint.ref.images, 128);
});

test('a writer frozen before any of its steps, that goes on when another has saved, changes nothing of the other’s', async (t) => {
  const base = await temporaryFolder(t);
  for (let step = 0; ; step++) {
    const store = fileStore(join(base, String(step)));
    const parent = await saveCheckpoint(store, someCheckpoint(64, 1), mayWrite);
    let owner = 1;
    const late = frozenBefore(store, step, async () => {
      owner = 2;
      const content = someCheckpoint(128, 2, { parent });
      const saved = await saveCheckpoint(store, { ...content, state: { ...content.state, attempt: 2 } }, mayWrite);
      await applyRetention(store, saved, { keepLast: 9 }, mayWrite);
    });
    const guard = async () => {
      if (owner !== 1) throw new PgganError('RunOwned', 'taken');
    };
    const outcome = await saveCheckpoint(late.store, someCheckpoint(128, 2, { parent }), guard).then(
      () => 'saved',
      (error: PgganError) => error.code,
    );
    if (!late.wasFrozen()) {
      assert.equal(outcome, 'saved');
      assert.ok(step > 7, `it has only ${step} steps`);
      return;
    }
    assert.equal(outcome, 'RunOwned', `frozen before step ${step}`);
    const { checkpoint, skipped } = (await loadNewestCheckpoint(store)) ?? assert.fail();
    assert.deepEqual([checkpoint.manifest.images, checkpoint.state.attempt, skipped], [128, 2, []]);
    assert.equal((await joinLogs(store, checkpoint.manifest, assert.fail))['log.txt'], 'tick at 64\ntick at 128\n');
    await applyRetention(store, checkpoint, { keepLast: 9 }, mayWrite);
    const named = [...Object.keys(checkpoint.manifest.files), MANIFEST].map((name) => checkpoint.key + name).sort();
    assert.deepEqual((await store.list(checkpoint.key)).map(({ key }) => key).sort(), named, 'nothing of the late writer is left');
  }
});

/** A store whose user stands still before its operation number `step`, until `meanwhile` is over. */
function frozenBefore(store: Store, step: number, meanwhile: () => Promise<void>) {
  let done = 0;
  const turn = async (): Promise<void> => {
    if (done++ === step) await meanwhile();
  };
  const frozen: Store = {
    ...store,
    head: (key) => turn().then(() => store.head(key)),
    read: (key) => turn().then(() => store.read(key)),
    write: (key, parts, condition) => turn().then(() => store.write(key, parts, condition)),
    remove: (key) => turn().then(() => store.remove(key)),
  };
  return { store: frozen, wasFrozen: () => done > step };
}

test('a process that lost the run commits nothing, and takes back its own files only', async (t) => {
  const store = fileStore(await temporaryFolder(t));
  await store.write(`${checkpointKey(128)}${fileName('generator', 2)}`, [Buffer.from('of another process')]);
  let left = 1;
  const guard = async () => {
    if (left-- === 0) throw new PgganError('RunOwned', 'taken');
  };
  await assert.rejects(saveCheckpoint(store, someCheckpoint(128, 1), guard), { code: 'RunOwned' });
  assert.deepEqual(
    (await store.list('')).map(({ key }) => key),
    [`${checkpointKey(128)}${fileName('generator', 2)}`],
  );
});

test('a commit whose answer is lost is found when it is made again', async (t) => {
  const folder = fileStore(await temporaryFolder(t));
  let answers = false;
  const store: Store = {
    ...folder,
    write: async (key, parts, condition) => {
      const entry = await folder.write(key, parts, condition);
      if (key.endsWith(MANIFEST) && !answers) throw new PgganError('StoreUnavailable', 'connection reset');
      return entry;
    },
  };
  await assert.rejects(saveCheckpoint(store, someCheckpoint(128, 1), mayWrite), { code: 'StoreUnavailable' });
  answers = true;
  const again = await saveCheckpoint(store, someCheckpoint(128, 1), mayWrite);
  assert.deepEqual((await loadNewestCheckpoint(store))?.checkpoint.ref, again.ref);
  // A client that asks again by itself is refused what it has done already.
  const refusing: Store = {
    ...folder,
    write: async (key, parts, condition) => {
      const entry = await folder.write(key, parts, condition);
      return condition ? undefined : entry;
    },
  };
  const next = await saveCheckpoint(refusing, someCheckpoint(256, 1), mayWrite);
  assert.deepEqual((await loadNewestCheckpoint(folder))?.checkpoint.ref, next.ref);
});

test('checkpoints whose files name no process, as they used to be, are read', async (t) => {
  const store = fileStore(await temporaryFolder(t));
  const { key, manifest } = await saveCheckpoint(store, someCheckpoint(128, 1), mayWrite);
  const files: Record<string, object> = {};
  for (const [name, digest] of Object.entries(manifest.files)) {
    const old = name.replace('-0001', '');
    await store.write(key + old, [(await store.read(key + name)) ?? assert.fail()]);
    await store.remove(key + name);
    files[old] = digest;
  }
  await store.write(key + MANIFEST, [jsonBytes({ ...manifest, files })]);
  const found = await loadNewestCheckpoint(store);
  assert.deepEqual(found?.checkpoint.state, someState(128));
  assert.ok(found.checkpoint.files['adam-generator'].tensors.size > 0);
});

test('a process killed between the last file and checkpoint.json leaves the checkpoint before it as the newest', async (t) => {
  const root = await temporaryFolder(t);
  const child = spawn(process.execPath, [
    '--input-type=module-typescript',
    '-e',
    `import { saveCheckpoint } from ${here('./checkpoint.ts')};
     import { fileStore } from ${here('./file-store.ts')};
     import { mayWrite, someCheckpoint } from ${here('./test-checkpoints.ts')};
     const store = fileStore(process.argv[1]);
     const parent = await saveCheckpoint(store, someCheckpoint(128, 1), mayWrite);
     let asked = 0;
     await saveCheckpoint(store, someCheckpoint(256, 2, { parent }), async () => { if (++asked === 2) process.kill(process.pid, 'SIGKILL'); });`,
    root,
  ]);
  const signal = await new Promise((resolve) => child.on('exit', (_code, name) => resolve(name)));
  assert.equal(signal, 'SIGKILL');
  const store = fileStore(root);
  assert.deepEqual(
    (await listCheckpoints(store)).map(({ images, committed }) => [images, committed]),
    [
      [256, false],
      [128, true],
    ],
  );
  const found = await loadNewestCheckpoint(store);
  assert.equal(found?.checkpoint.ref.images, 128);
  const again = await saveCheckpoint(store, someCheckpoint(256, 2, { parent: found.checkpoint }), mayWrite);
  assert.deepEqual((await loadNewestCheckpoint(store))?.checkpoint.ref, again.ref);
});

test('the Python package reads every tensor file of a checkpoint', async (t) => {
  const root = await temporaryFolder(t);
  const { key } = await saveCheckpoint(fileStore(root), someCheckpoint(128, 0.75), mayWrite);
  const out = judge(
    t,
    `
import sys
from safetensors.numpy import load_file
for path in sys.argv[1:]:
    print(sorted((k, v.dtype.name, v.shape, float(v.sum())) for k, v in load_file(path).items()))
`,
    TENSOR_FILES.map((name) => join(root, key, fileName(name, 1))),
  );
  if (out === undefined) return;
  const line = "[('4x4/Dense/bias', 'float32', (3,), -2.25), ('4x4/Dense/weight', 'float32', (2, 3), 4.5)]";
  assert.deepEqual(
    out.trim().split('\n'),
    TENSOR_FILES.map(() => line),
  );
});

function here(name: string): string {
  return JSON.stringify(new URL(name, import.meta.url).href);
}

async function flipLastBit(path: string): Promise<void> {
  const bytes = await readFile(path);
  bytes[bytes.length - 3] = (bytes[bytes.length - 3] ?? 0) ^ 1;
  await writeFile(path, bytes);
}

function edit(from: string, to: string): (path: string) => Promise<void> {
  return async (path) => {
    const text = await readFile(path, 'utf8');
    assert.ok(text.includes(from));
    await writeFile(path, text.replace(from, to));
  };
}
