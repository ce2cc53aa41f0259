import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TrainingProgress } from '../../crds/progress.ts';
import type { Ended } from './jobs.ts';
import { refusedByStore } from './observe.ts';
import { lost } from './report.ts';
import { shortage } from './space.ts';

const TIME = '2026-01-01T00:00:00.000Z';

function progress(images: number, saved?: number): TrainingProgress {
  const common = { version: 'v1', kind: 'training', state: 'Training', resolution: 8, phaseEndImages: 9000, lod: 0, tick: 1 } as const;
  const checkpoint = saved === undefined ? {} : { checkpoint: { uri: 'file:///x', images: saved, digest: 'd', time: TIME } };
  return { ...common, images, minibatch: 8, epochs: 1, attempt: 1, time: TIME, ...checkpoint };
}

const ended = (exitCode: number | undefined, failure?: { readonly code: string; readonly message: string }): Ended => ({
  exitCode,
  signal: exitCode === undefined ? 'SIGKILL' : undefined,
  said: 'error: StoreFull: no room left',
  message: failure && JSON.stringify({ ...progress(5000, 4000), failure, state: 'Failed' }),
});

test('nothing is lost where the trainer ended as asked, or had not begun, or none ran', () => {
  assert.equal(lost(progress(5000, 4000), ended(75)), 'nothing is lost');
  assert.equal(lost(progress(5000, 4000), undefined), 'nothing is lost');
  assert.equal(lost(progress(5000, 4000), { ...ended(undefined), signal: 'SIGTERM' }), 'nothing is lost');
});

test('where the trainer could not save, what is lost is said, with the reason that it left or the last line that it printed', () => {
  const full = { code: 'StoreFull', message: 'cannot write: there is no room left (ENOSPC)' };
  assert.match(lost(progress(5000, 4000), ended(4, full)), /could not save.*after 4\.0 kimg is lost \(cannot write: .*ENOSPC/);
  assert.match(lost(progress(5000), ended(undefined)), /after 0\.0 kimg is lost \(error: StoreFull/);
});

test('a store that refuses is told from one that is away: only the second is waited for', () => {
  assert(refusedByStore(ended(4, { code: 'StoreRefused', message: 'InvalidAccessKeyId' })));
  assert(!refusedByStore(ended(4, { code: 'StoreUnavailable', message: 'ECONNREFUSED' })));
});

test('a disk without room for one checkpoint is refused, one that may not last is warned of, what is written already counts', () => {
  const expected = { diskBytes: 1000e6, checkpointBytes: 100e6 };
  const refused = shortage(99e6, 0, expected);
  assert(refused.kind === 'refuse' && /99 MB left.*one checkpoint takes 100 MB.*--output/.test(refused.message));
  const warned = shortage(500e6, 300e6, expected);
  assert(warned.kind === 'warn' && /500 MB left.*about 700 MB more/.test(warned.message));
  assert.deepEqual(shortage(500e6, 600e6, expected), { kind: 'none' });
});
