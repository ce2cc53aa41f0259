import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileStore } from './file-store.ts';
import { checkClaim, claimRun, differences, type RunClaim, readRun } from './run-folder.ts';
import { temporaryFolder } from './test-checkpoints.ts';

const NOW = new Date('2026-01-01T00:00:00Z');
const CLAIM: RunClaim = {
  parts: {
    format: 1,
    dataset: 'd1',
    schedule: {
      levels: [
        { resolution: 4, minibatch: 16 },
        { resolution: 8, minibatch: 8 },
      ],
    },
    seed: 1000,
    initFrom: undefined,
  },
  options: { totalKimg: 15, threads: 4 },
  software: { pggan: '0.1.0', node: 'v24' },
  data: { label: 'phantom', images: 256 },
};

test('a new folder becomes the run’s; run.json says options, data and software', async (t) => {
  const store = fileStore(await temporaryFolder(t));
  const { kind, record } = await claimRun(store, CLAIM, NOW);
  assert.equal(kind, 'new');
  assert.deepEqual(await readRun(store), record);
  assert.deepEqual([record.data.label, record.created, record.fingerprint.length], ['phantom', NOW.toISOString(), 64]);
});

test('the same run finds its folder, and what the fingerprint leaves out is brought up to date', async (t) => {
  const store = fileStore(await temporaryFolder(t));
  const { record: before } = await claimRun(store, CLAIM, NOW);
  const { kind, record } = await claimRun(store, { ...CLAIM, options: { totalKimg: 20, threads: 4 } }, new Date());
  assert.equal(kind, 'known');
  assert.deepEqual([record.fingerprint, record.created], [before.fingerprint, before.created]);
  assert.deepEqual((await readRun(store))?.options, { totalKimg: 20, threads: 4 });
});

test('another run is refused with every field that differs, both values, and the ways out; the folder stays as it is', async (t) => {
  const store = fileStore(await temporaryFolder(t));
  const { record } = await claimRun(store, CLAIM, NOW);
  const parts = {
    ...CLAIM.parts,
    dataset: 'd2',
    schedule: {
      levels: [
        { resolution: 4, minibatch: 16 },
        { resolution: 8, minibatch: 4 },
      ],
    },
    extra: true,
  };
  await assert.rejects(claimRun(store, { ...CLAIM, parts }, NOW), (error: Error) => {
    for (const part of [
      'dataset: "d1" in the folder, "d2" wanted',
      'schedule.levels[8].minibatch: 8 in the folder, 4 wanted',
      'extra: absent in the folder, true wanted',
      'another name',
      'delete the run folder',
    ]) {
      assert.ok(error.message.includes(part), `${part} in ${error.message}`);
    }
    assert.doesNotMatch(error.message, /seed|levels\[4\]/);
    return 'code' in error && error.code === 'FingerprintMismatch';
  });
  assert.deepEqual(await readRun(store), record);
});

test('checkpoints without run.json belong to nobody knows which run, and are refused', async (t) => {
  const store = fileStore(await temporaryFolder(t));
  await store.write('checkpoints/000000000128/checkpoint.json', [Buffer.from('{}')]);
  await assert.rejects(claimRun(store, CLAIM, NOW), { code: 'FingerprintMismatch', message: /holds checkpoints but no run\.json/ });
});

test('a run.json that is torn, or whose parts were edited, is refused', async (t) => {
  const store = fileStore(await temporaryFolder(t));
  await store.write('run.json', [Buffer.from('{"version"')]);
  await assert.rejects(claimRun(store, CLAIM, NOW), { code: 'CheckpointInvalid', message: /^run\.json in file:.* is not JSON/ });
  await store.remove('run.json');
  const { record } = await claimRun(store, CLAIM, NOW);
  await store.write('run.json', [Buffer.from(JSON.stringify({ ...record, parts: { ...record.parts, seed: 1 } }))]);
  await assert.rejects(claimRun(store, CLAIM, NOW), { code: 'CheckpointInvalid', message: /its fingerprint is not that of its parts/ });
});

test('two processes that claim a new folder at once agree', async (t) => {
  const store = fileStore(await temporaryFolder(t));
  const kinds = (await Promise.all([claimRun(store, CLAIM, NOW), claimRun(store, CLAIM, NOW)])).map(({ kind }) => kind);
  assert.deepEqual(kinds.sort(), ['known', 'new']);
});

test('differences are few and short enough for a termination message', () => {
  const many = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`field${index}`, 'x'.repeat(1000)]));
  const list = differences({}, many);
  assert.equal(list.length, 32);
  assert.ok(list.every((text) => text.length <= 256));
  assert.deepEqual(differences(many, many), []);
});

test('a folder with the images of a SynthesisJob is none for a training, before anything is written', async (t) => {
  const store = fileStore(await temporaryFolder(t));
  await store.write('job.json', [Buffer.from('{}')]);
  await assert.rejects(checkClaim(store, CLAIM), { code: 'FingerprintMismatch', message: /holds the images of a SynthesisJob/ });
  assert.deepEqual(
    (await store.list('')).map(({ key }) => key),
    ['job.json'],
  );
});
