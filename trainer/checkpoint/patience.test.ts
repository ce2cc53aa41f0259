import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ErrorCode, PgganError } from '../../crds/errors.ts';
import type { Waiting } from '../../crds/progress.ts';
import { fileStore } from './file-store.ts';
import { OUTAGE_SECONDS, patiently, patientStore, type Patience } from './patience.ts';
import { mayWrite, temporaryFolder } from './test-checkpoints.ts';

/** A clock that sleeping moves on, and what was told. */
function patience(stopAfterSeconds = Number.POSITIVE_INFINITY) {
  let seconds = 0;
  const told: (Waiting | undefined)[] = [];
  const slept: number[] = [];
  const all: Patience = {
    waiting: (reason) => void told.push(reason),
    stopped: () => seconds >= stopAfterSeconds,
    now: () => new Date(seconds * 1000),
    async sleep(duration) {
      slept.push(duration);
      seconds += duration;
    },
  };
  return { all, told, slept };
}

/** Fails `times` times, then gives 'done'. */
function failing(code: ErrorCode, times: number): () => Promise<string> {
  let left = times;
  return async () => {
    if (left-- > 0) throw new PgganError(code, `not yet, ${left} more`);
    return 'done';
  };
}

test('want of room is waited for as long as it takes, with the reason and since when, and its end is told', async () => {
  const { all, told, slept } = patience();
  assert.equal(await patiently(failing('StoreFull', 500), all), 'done');
  assert.deepEqual(slept.slice(0, 7), [1, 2, 4, 8, 15, 15, 15]);
  assert.deepEqual(told[0], { code: 'StoreFull', message: 'not yet, 499 more', since: '1970-01-01T00:00:00.000Z' });
  assert.equal(told.at(-2)?.since, '1970-01-01T00:00:00.000Z');
  assert.equal(told.at(-1), undefined);
});

test('a store that is away is waited for within bounds, then its error is the answer', async () => {
  const { all, slept } = patience();
  await assert.rejects(patiently(failing('StoreUnavailable', 500), all), { code: 'StoreUnavailable' });
  const waited = slept.reduce((sum, seconds) => sum + seconds, 0);
  assert.ok(waited >= OUTAGE_SECONDS && waited < OUTAGE_SECONDS + 15, `${waited} s`);
});

test('a request to stop ends all patience', async () => {
  const { all } = patience(10);
  await assert.rejects(patiently(failing('StoreFull', 500), all), { code: 'StoreFull', message: /^not yet, 49/ });
});

test('what waiting cannot mend is thrown at once, and where nothing fails nothing is told', async () => {
  const { all, told, slept } = patience();
  for (const code of ['RunOwned', 'CheckpointInvalid'] as const) await assert.rejects(patiently(failing(code, 1), all), { code });
  await assert.rejects(
    patiently(() => Promise.reject(new TypeError('a mistake')), all),
    TypeError,
  );
  assert.equal(await patiently(failing('StoreFull', 0), all), 'done');
  assert.deepEqual([told, slept], [[], []]);
});

test('verbs of a store that wait at the same time tell of it as one, from the beginning of the first to the end of the last', async () => {
  const { all, told } = patience();
  const reads = new Map([
    ['a', failing('StoreFull', 6)],
    ['b', failing('StoreFull', 3)],
  ]);
  const read = async (key: string): Promise<Buffer> => Buffer.from((await reads.get(key)?.()) ?? 'none');
  const store = patientStore({ ...fileStore('/nowhere'), read }, mayWrite, all);
  assert.deepEqual((await Promise.all([store.read('a'), store.read('b')])).map(String), ['done', 'done']);
  const reasons = told.slice(0, -1);
  assert(reasons.length > 6);
  assert.deepEqual(new Set(reasons.map((reason) => reason?.since)), new Set(['1970-01-01T00:00:00.000Z']));
  assert.equal(told.at(-1), undefined);
});

test('a patient store changes nothing once the run is another’s', async (t) => {
  const store = fileStore(await temporaryFolder(t));
  let owned = true;
  const guard = async () => (owned ? mayWrite() : Promise.reject(new PgganError('RunOwned', 'taken')));
  const patient = patientStore(store, guard, patience().all);
  await patient.write('a', [Buffer.from('x')]);
  owned = false;
  await assert.rejects(patient.write('a', [Buffer.from('y')]), { code: 'RunOwned' });
  await assert.rejects(patient.remove('a'), { code: 'RunOwned' });
  assert.equal(String(await patient.read('a')), 'x');
});
