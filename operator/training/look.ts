/** One look at the world of a training: what its Jobs, pods and processes tell, and the run that it starts from. */
import type { TrainingProgress } from '../../crds/progress.ts';
import { folderOf } from '../../crds/resolve.ts';
import { API_VERSION } from '../../crds/v1alpha1/common.ts';
import type { Cluster } from '../cluster.ts';
import { ANNOTATIONS, type Component, LABELS } from '../jobs/metadata.ts';
import { endsNow, type Listed, observedJob, ownPods } from '../jobs/observe.ts';
import { hasEnded, outsidePod } from '../jobs/pods.ts';
import { isTrue } from '../kube/conditions.ts';
import type { Ear } from '../progress/heard.ts';
import type { TrainingObject } from './expectation.ts';
import type { DeletionTask, Observed } from './observed.ts';
import { lastProgress, observedJobs } from './source.ts';
import type { StoredStatus } from './stored.ts';

const DELETION: Component = 'deletion';

export type Look = {
  readonly seen: Observed;
  /** The newest document, with figures that change too often for the status that plan() writes. */
  readonly document?: TrainingProgress;
  /** Whether the running process answers; undefined where none runs, or it is too early to say. */
  readonly reachable?: boolean;
  readonly initFromUri?: string;
  /** A pod has ended well, and its Job is about to. */
  readonly endsNow: boolean;
};

type Remembered = {
  /** Jobs of others that have one of its names. */
  readonly foreign: Iterable<Listed['jobs'][number]>;
  /** What was said about pods, by uid of the Job. */
  readonly refusals: Listed['refusals'];
  /** What was said to the Job that was to delete its run folder. */
  readonly deletionRefused?: string;
};

export function lookAt({ metadata, spec, status }: TrainingObject, cluster: Cluster, ear: Ear, remembered: Remembered, now: Date): Look {
  const { foreign, refusals, deletionRefused } = remembered;
  const here = <T extends Listed['pods'][number] | Listed['jobs'][number]>(objects: readonly T[]): readonly T[] =>
    objects.filter((object) => object.metadata?.namespace === metadata.namespace);
  const jobs = here(cluster.jobs.labelled(LABELS.training, metadata.name));
  const pods = here(cluster.pods.labelled(LABELS.training, metadata.name));
  const deletion = jobs.find((job) => job.metadata?.annotations?.[ANNOTATIONS.forUid] === metadata.uid);
  const deletes = (pod: Listed['pods'][number]): boolean =>
    pod.metadata?.ownerReferences?.some(({ uid }) => uid === deletion?.metadata?.uid) ?? false;
  const listed: Listed = {
    owner: { kind: 'PGGANTraining', metadata },
    // Of an earlier training of this name, the pods that delete its run are waited for; its Job is no obstacle.
    jobs: [...jobs.filter((job) => job.metadata?.labels?.[LABELS.component] !== DELETION), ...foreign],
    pods: pods.filter((pod) => !deletes(pod)),
    refusals,
    now,
  };
  const runDeletion = deletion && observedJob(deletion, { ...listed, pods }, (): DeletionTask => ({ kind: 'deleteRun' }));
  const live = ownPods(listed).filter((pod) => !hasEnded(pod) && pod.status?.phase === 'Running');
  const heard = live.map(({ metadata: pod }) => ear.heard(pod?.uid ?? ''));
  const progress = newest(listed, heard);
  const reachable = heard.map((one) => one.reachable).find((known) => known !== undefined);
  const source = sourceOf({ metadata, spec, ...(status && { status }) }, cluster);
  return {
    seen: {
      ...observedJobs(listed),
      ...(progress && { progress: { ...progress, document: progress.live ? settled(progress.document) : progress.document } }),
      ...(source && { source: source.state }),
      ...(runDeletion && { runDeletion }),
      ...(deletionRefused !== undefined && { runDeletionRefused: deletionRefused }),
    },
    endsNow: endsNow(listed),
    ...(progress && { document: progress.document }),
    ...(reachable !== undefined && { reachable }),
    ...(source?.uri !== undefined && { initFromUri: source.uri }),
  };
}

type Newest = NonNullable<Observed['progress']> & { readonly live: boolean };

/** What a live process says, or the last words of one that ended since. */
function newest(listed: Listed, heard: readonly ReturnType<Ear['heard']>[]): Newest | undefined {
  const polled = heard.flatMap(({ document }): readonly Newest[] => {
    if (document?.progress.kind !== 'training') return [];
    const { progress, fresh, unmovedSince } = document;
    return [{ document: rounded(outsidePod(progress)), fresh, unmovedSince, live: true }];
  });
  const last = lastProgress(listed);
  const all = [...polled, ...(last ? [{ document: rounded(last), fresh: false, unmovedSince: last.time, live: false }] : [])];
  return all.sort((a, b) => (a.document.time < b.document.time ? -1 : 1)).at(-1);
}

const DIGITS = 5;
const round = (value: number): number => Number(value.toPrecision(DIGITS));

/** Figures as people read them: a column of sixteen digits says no more than one of five. */
function rounded(document: TrainingProgress): TrainingProgress {
  const { lod, losses, secondsPerKimg, imagesPerSecond } = document;
  return {
    ...document,
    lod: round(lod),
    ...(losses && { losses: mapped(losses, round) }),
    ...(secondsPerKimg !== undefined && { secondsPerKimg: round(secondsPerKimg) }),
    ...(imagesPerSecond !== undefined && { imagesPerSecond: round(imagesPerSecond) }),
  };
}

function mapped<T extends Readonly<Record<string, number | undefined>>>(figures: T, change: (value: number) => number): T {
  return Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, value === undefined ? value : change(value)])) as T;
}

/** Losses of a phase are recorded at its end; while it runs they are told in status.progress, by a writer of its own. */
function settled(document: TrainingProgress): TrainingProgress {
  const { losses: _, ...rest } = document;
  return rest;
}

/** The training that spec.initFrom names. Once a run has begun, what becomes of that training is no concern of it: run.json names the checkpoint. */
function sourceOf({ metadata, spec, status }: TrainingObject, { trainings }: Cluster) {
  const name = spec.initFrom?.trainingRef?.name;
  if (name === undefined) return undefined;
  const begunWith = status && (status as StoredStatus).initFromUri;
  if (begunWith !== undefined) return { state: { name, ready: true, message: '' }, uri: begunWith };
  const source = trainings.get(`${metadata.namespace}/${name}`);
  const ready = isTrue(source?.status?.conditions, 'Succeeded');
  const message = source ? `PGGANTraining ${name} has not succeeded yet.` : `There is no PGGANTraining ${name} in this namespace yet.`;
  const uri =
    source &&
    folderOf({ apiVersion: API_VERSION, kind: 'PGGANTraining', metadata: { namespace: metadata.namespace, name }, spec: source.spec });
  return { state: { name, ready, message }, uri };
}
