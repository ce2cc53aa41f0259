/** Shows local Jobs to plan() the way that a cluster's Jobs and pods are shown. */
import { type Progress, parseProgress } from '../../crds/progress.ts';
import type { JobFailure, JobState, ObservedJob } from '../training/observed.ts';
import type { Ended, LocalJob } from './jobs.ts';

/** A local Job as plan() sees it. */
export function observed<T>(job: LocalJob<T>): ObservedJob<T> {
  const { spec, uid, createdAt, podsFailed, podsEnded, deleting } = job;
  const failure = job.last && failureOf(job.last);
  return {
    name: spec.name,
    uid,
    task: spec.task,
    digest: spec.digest,
    deleting,
    // Local Jobs vanish with the driver: there is nothing to expire.
    expires: true,
    createdAt,
    podsFailed,
    podsEnded,
    inQueue: false,
    state: stateOf(job),
    ...(failure && { failure }),
  };
}

/** The document that an ended process left behind. */
export function lastDocument(ended: Ended | undefined): Progress | undefined {
  return ended?.message === undefined ? undefined : parseProgress(ended.message);
}

/** True where the store answered, and said no (credentials, rights, no such bucket): waiting would not help, and a person is there to read it. */
export function refusedByStore(ended: Ended | undefined): boolean {
  return lastDocument(ended)?.failure?.code === 'StoreRefused';
}

function stateOf<T>({ state, running, idleSince, createdAt, finishedAt }: LocalJob<T>): JobState {
  switch (state) {
    case 'suspended':
      return { kind: 'suspended' };
    case 'active':
      return { kind: 'active', pod: running ? { kind: 'running' } : { kind: 'none', since: idleSince ?? createdAt } };
    case 'succeeded':
    case 'failed':
      return { kind: state, finishedAt: finishedAt ?? createdAt };
  }
}

function failureOf(ended: Ended): JobFailure | undefined {
  if (ended.exitCode === 0) return undefined;
  const document = lastDocument(ended);
  const how = ended.signal === undefined ? `exit code ${ended.exitCode ?? 'unknown'}` : `killed by ${ended.signal}`;
  const message = document?.failure?.message ?? (ended.said === '' ? how : `${how}: ${ended.said}`);
  return { ...(ended.exitCode !== undefined && { exitCode: ended.exitCode }), outOfMemory: false, message };
}
