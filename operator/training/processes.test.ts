import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ObservedJob, PodState } from './observed.ts';
import { processesOf } from './processes.ts';
import type { PhaseRecord } from './status.ts';
import { NEW_RECORD } from './task-record.ts';

const at = (minute: number): string => new Date(Date.UTC(2030, 0, 1, 10, minute)).toISOString();

function job(pod: PodState, podsEnded = 0, uid = 'job-1'): ObservedJob {
  const task = { kind: 'train', resolution: 8, endImages: 100 } as const;
  const rest = { name: 'x-8', task, digest: '', deleting: false, expires: false, createdAt: at(0), podsFailed: 0, inQueue: false };
  return { ...rest, uid, podsEnded, state: { kind: 'active', pod } };
}

const running = (minute: number, podsEnded?: number, uid?: string): ObservedJob => ({
  ...job({ kind: 'running' }, podsEnded, uid),
  lastStartedAt: at(minute),
});
/** A Job that is done, with its last pod still there. */
const done = (minute: number, podsEnded?: number): ObservedJob => ({
  ...running(minute, podsEnded),
  state: { kind: 'succeeded', finishedAt: at(minute) },
});
const NONE: PodState = { kind: 'none', since: at(0) };

const NEW = { ...NEW_RECORD, state: 'Running', resolution: 8, startImages: 0, endImages: 100 } as const;

/** What is counted after these looks, each made twice. */
const after = (...looks: readonly ObservedJob[]): number | undefined =>
  looks.reduce<PhaseRecord | undefined>((known, look) => {
    const record = (processes: ReturnType<typeof processesOf>): PhaseRecord => ({
      ...NEW,
      job: { name: look.name, uid: look.uid, failures: 0, ends: 0 },
      ...processes,
    });
    const once = record(processesOf(known, look));
    assert.deepEqual(record(processesOf(once, look)), once);
    return once;
  }, undefined)?.attempts;

test('a process that went without a trace is counted by the start of the next', () => {
  assert.equal(after(running(1), job(NONE), running(5)), 2);
  assert.equal(after(running(1), running(5)), 2, 'also where nobody looked between the two');
  assert.equal(after(running(1), running(5), job(NONE, 1), running(9, 1)), 3, 'and so is one after it that failed');
});

test('a process that nobody saw alive is counted by its end', () => {
  assert.equal(after(running(1), job(NONE), done(5)), 2);
  assert.equal(after(running(1), done(5)), 2);
  assert.equal(after(running(1), { ...job(NONE, 1), lastStartedAt: at(5) }, running(9, 1)), 3, 'a failure after an eviction');
  assert.equal(after(done(1)), 1);
});

test('what its Job counts, too, is not counted twice', () => {
  assert.equal(after(running(1), job(NONE, 1), running(5, 1)), 2);
  assert.equal(after(running(1), running(5, 1)), 2);
  assert.equal(after(running(1), running(5, 0, 'job-2')), 2, 'a process of a new Job');
});

test('a view of the past counts nothing', () => {
  assert.equal(after(running(1), running(5), running(1)), 2);
  assert.equal(after(running(1), running(5), running(1), running(5)), 2);
});

test('where no start is told, the count of the Job is all there is', () => {
  const untold = job({ kind: 'running' });
  assert.equal(after(untold, job(NONE), untold), 1);
});
