/** Proves of a fleet that has ended, from the audit log and from the objects that are left, that each Job was made once, and in its turn. */
import assert from 'node:assert/strict';
import type { Job, Pod } from '../../operator/kube/resource.ts';
import type { StoredTraining } from '../../operator/training/stored.ts';
import type { Requests } from './requests.ts';

/** What is left of a fleet whose Jobs and pods have not expired; `met` are pods that were made while another one of their training had not ended. */
export type Remains = {
  readonly trainings: readonly StoredTraining[];
  readonly jobs: readonly Job[];
  readonly pods: readonly Pod[];
  readonly met: readonly string[];
};

/** `jobsOf` tells the Jobs that a training must have had, in this order. @throws AssertionError that names the offenders */
export function assertEachJobOnce(
  { jobsCreated: answered, jobsCutOff, jobsByOthers, jobsDeleted }: Requests,
  { trainings, jobs, pods, met }: Remains,
  jobsOf: (training: string) => readonly string[],
): void {
  // What is there though its creation was never answered was stored then: no Job is ever deleted here, and no two have one name.
  const there = new Set(jobs.map(nameOf));
  const unanswered = without([...new Set(jobsCutOff)], answered).filter((name) => there.has(name));
  const jobsCreated = [...answered, ...unanswered];
  const wanted = trainings.map(({ metadata }) => jobsOf(metadata?.name ?? ''));
  none('duplicate', repeated(jobsCreated));
  none('skipped', without(wanted.flat(), jobsCreated));
  none('unasked for', [...without(jobsCreated, wanted.flat()), ...jobsByOthers]);
  none('deleted', jobsDeleted);
  const places = new Map(answered.map((name, index) => [name, index]));
  none(
    'out of turn',
    wanted.flatMap((names) => {
      const answeredOf = names.filter((name) => places.has(name));
      return answeredOf.filter((name, at) => at > 0 && place(places, name) < place(places, answeredOf[at - 1] ?? ''));
    }),
  );

  const uids = new Set(trainings.map(({ metadata }) => metadata?.uid));
  none('orphaned', jobs.filter((job) => !isOwned(job, uids)).map(nameOf));
  const jobUids = new Set(jobs.map(({ metadata }) => metadata?.uid));
  none('orphaned pods', pods.filter((pod) => !isOwned(pod, jobUids)).map(nameOf));
  none('begun before their predecessor had ended', met);
}

function none(what: string, names: readonly string[]): void {
  assert.deepEqual(names.slice(0, 20), [], `${names.length} ${what}`);
}

function repeated(names: readonly string[]): readonly string[] {
  const seen = new Set<string>();
  return names.filter((name) => seen.has(name) || !seen.add(name));
}

function without(names: readonly string[], others: readonly string[]): readonly string[] {
  const known = new Set(others);
  return names.filter((name) => !known.has(name));
}

const place = (places: ReadonlyMap<string, number>, name: string): number => places.get(name) ?? -1;
const nameOf = ({ metadata }: Job | Pod): string => metadata?.name ?? '';

function isOwned({ metadata }: Job | Pod, uids: ReadonlySet<string | undefined>): boolean {
  return metadata?.ownerReferences?.some(({ uid }) => uids.has(uid)) ?? false;
}
