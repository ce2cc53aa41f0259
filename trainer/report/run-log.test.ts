import assert from 'node:assert/strict';
import { test } from 'node:test';
import { saveCheckpoint } from '../checkpoint/checkpoint.ts';
import { fileStore } from '../checkpoint/file-store.ts';
import { fileName } from '../checkpoint/format.ts';
import type { CommittedCheckpoint } from '../checkpoint/format.ts';
import { loadNewestCheckpoint } from '../checkpoint/load-checkpoint.ts';
import { applyRetention } from '../checkpoint/retention.ts';
import type { Store } from '../checkpoint/store.ts';
import { mayWrite, someCheckpoint, someState, temporaryFolder } from '../checkpoint/test-checkpoints.ts';
import { joinLogs, LOG, METRICS, type RunLog, runLog } from './run-log.ts';

/** Trains from one checkpoint to the next: one line, one checkpoint. */
async function advance(store: Store, log: RunLog, images: number, attempt: number, parent: CommittedCheckpoint | undefined) {
  log.line(`at ${images}`);
  const pending = log.pending();
  const state = { ...someState(images), attempt };
  const saved = await saveCheckpoint(store, someCheckpoint(images, 1, { parent, state, logs: pending.logs }), mayWrite);
  pending.committed();
  return saved;
}

test('a killed run joins up to the log of an undisturbed one: lines after the checkpoint resumed from are dropped', async (t) => {
  const straight = fileStore(await temporaryFolder(t));
  let parent: CommittedCheckpoint | undefined;
  const undisturbed = runLog({}, () => undefined);
  for (const images of [100, 200, 300]) parent = await advance(straight, undisturbed, images, 1, parent);

  const store = fileStore(await temporaryFolder(t));
  const first = runLog({}, () => undefined);
  const at100 = await advance(store, first, 100, 1, undefined);
  const at200 = await advance(store, first, 200, 1, at100);
  first.line('lost with the process');
  // The checkpoint at 200 turns out damaged: the next process goes on from 100 and passes 200 again.
  await store.remove(`${at200.key}${fileName('generator', 1)}`);
  const found = await loadNewestCheckpoint(store);
  assert.equal(found?.checkpoint.ref.images, 100);
  const second = runLog(await joinLogs(store, found.checkpoint.manifest, noDamage), () => undefined);
  const again = await advance(store, second, 200, 2, found.checkpoint);
  const last = await advance(store, second, 300, 2, again);

  assert.deepEqual(await joinLogs(store, undefined, noDamage), await joinLogs(straight, undefined, noDamage));
  assert.deepEqual(await joinLogs(store, undefined, noDamage), { [LOG]: 'at 100\nat 200\nat 300\n' });

  await applyRetention(store, last, { keepLast: 1 }, mayWrite);
  assert.deepEqual(
    await joinLogs(store, undefined, noDamage),
    { [LOG]: 'at 100\nat 200\nat 300\n' },
    'retention keeps the lines of checkpoints that are gone',
  );
  const segments = (await store.list('logs/')).map(({ key }) => key);
  assert.deepEqual(segments, [
    'logs/000000-0001-000000000100.log.txt',
    'logs/000001-0002-000000000200.log.txt',
    'logs/000002-0002-000000000300.log.txt',
  ]);
});

test('lines that come while a checkpoint is being saved belong to the next', () => {
  const echoed: string[] = [];
  const log = runLog({ [LOG]: 'before\n' }, (line) => echoed.push(line));
  log.line('one');
  const pending = log.pending();
  log.line('two');
  assert.deepEqual(pending.logs, { [LOG]: 'one\n', [METRICS]: '' });
  pending.committed();
  pending.committed();
  assert.equal(log.pending().logs[LOG], 'two\n');
  assert.equal(log.whole()[LOG], 'before\none\ntwo\n');
  assert.deepEqual(echoed, ['one', 'two']);
});

test('lines of a save that failed stay pending', () => {
  const log = runLog({}, () => undefined);
  log.line('one');
  log.pending();
  assert.equal(log.pending().logs[LOG], 'one\n');
});

test('a damaged or missing segment costs its lines and is named', async (t) => {
  const store = fileStore(await temporaryFolder(t));
  const parent = await saveCheckpoint(store, someCheckpoint(100, 1), mayWrite);
  await saveCheckpoint(store, someCheckpoint(200, 1, { parent }), mayWrite);
  const problems: string[] = [];
  const warn = (problem: string): void => void problems.push(problem);
  await store.write('logs/000000-0001-000000000100.log.txt', [Buffer.from('tick at 101\n')]);
  assert.deepEqual(await joinLogs(store, undefined, warn), { [LOG]: 'tick at 200\n' });
  await store.remove('logs/000000-0001-000000000100.log.txt');
  assert.deepEqual(await joinLogs(store, undefined, warn), { [LOG]: 'tick at 200\n' });
  assert.match(problems[0] ?? '', /^logs\/000000-0001-000000000100\.log\.txt in file:.* differs from the 12 bytes/);
  assert.match(problems[1] ?? '', /^logs\/000000-0001-000000000100\.log\.txt in file:.* is missing/);
});

const noDamage = (problem: string): void => assert.fail(problem);

test('a run without checkpoints has no logs yet', async (t) => {
  assert.deepEqual(await joinLogs(fileStore(await temporaryFolder(t)), undefined, noDamage), {});
});
