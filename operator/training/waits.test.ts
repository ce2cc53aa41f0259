import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JobTimes, ObservedJob } from './observed.ts';
import type { PhaseWait } from './status.ts';
import { waitOf } from './waits.ts';

const at = (minute: number): string => new Date(Date.UTC(2030, 0, 1, 10, minute)).toISOString();

function job(times: JobTimes | undefined, uid = 'job-1'): ObservedJob<unknown> {
  const state = { kind: 'active', pod: { kind: 'running' } } as const;
  const rest = {
    name: 'x-8',
    task: {},
    digest: '',
    deleting: false,
    expires: false,
    createdAt: at(0),
    podsFailed: 0,
    podsEnded: 0,
    inQueue: true,
  };
  return { ...rest, uid, state, ...(times && { times }) };
}

/** What is known after these looks, each made twice. */
const after = (...looks: readonly ObservedJob<unknown>[]): PhaseWait | undefined =>
  looks.reduce<PhaseWait | undefined>((known, look) => {
    const once = waitOf(known, look);
    assert.deepEqual(waitOf(once, look), once);
    return once;
  }, undefined);

const QUEUED = job({ kind: 'queued', since: at(0) });
const ADMITTED = job({ kind: 'admitted', at: at(30) });
const STARTED = job({ kind: 'admitted', at: at(30), startedAt: at(32) });

test('a phase that waited for its queue knows since when, until when, and when its pod started', () => {
  assert.deepEqual(after(QUEUED), { job: 'job-1', queuedAt: at(0) });
  assert.deepEqual(after(QUEUED, ADMITTED), { job: 'job-1', queuedAt: at(0), admittedAt: at(30) });
  const wait = { job: 'job-1', queuedAt: at(0), admittedAt: at(30), startedAt: at(32), seconds: 32 * 60 };
  assert.deepEqual(after(QUEUED, ADMITTED, STARTED), wait);
  assert.deepEqual(after(STARTED), wait, 'also where nobody looked meanwhile');
  assert.deepEqual(after(STARTED, ADMITTED, job(undefined)), wait, 'also when that pod is gone');
  assert.deepEqual(
    after(STARTED, job({ kind: 'admitted', at: at(30), startedAt: at(50) })),
    wait,
    'a later pod of the same start changes nothing',
  );
});

test('of a Job without a queue nothing is told before its pod has started: the status is written once, not twice', () => {
  assert.equal(after(ADMITTED), undefined);
  assert.equal(after(ADMITTED, STARTED)?.seconds, 32 * 60);
  assert.deepEqual(after(STARTED, job({ kind: 'admitted', at: at(50) }, 'job-2')), after(STARTED), 'the wait of its predecessor stays');
});

test('a Job that its queue stopped waits anew, and so does the next Job', () => {
  const stopped = job({ kind: 'queued', since: at(60) });
  const again = job({ kind: 'admitted', at: at(70), startedAt: at(71) });
  assert.equal(after(STARTED, stopped, again)?.seconds, 11 * 60);
  assert.equal(after(STARTED, again)?.seconds, 60, 'of a wait that nobody saw only the end is known');
  assert.deepEqual(after(STARTED, job({ kind: 'queued', since: at(80) }, 'job-2')), { job: 'job-2', queuedAt: at(80) });
});
