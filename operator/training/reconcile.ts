/** Brings one PGGANTraining a step on: look, plan, write down, act, tell. */
import type { TrainingProgress } from '../../crds/progress.ts';
import { type Cluster, isManagedHere } from '../cluster.ts';
import { happening } from '../events.ts';
import { createMemories, lookAtForeign, type Memory, refusalOf, rememberForeign } from '../jobs/attempts.ts';
import { type Enacted, enact } from '../jobs/enact.ts';
import { LABELS } from '../jobs/metadata.ts';
import type { JobConfig } from '../jobs/pod.ts';
import { askFirst, refused, waitSeconds } from '../jobs/refused.ts';
import { applyStatus } from '../kube/apply.ts';
import type { Kube } from '../kube/client.ts';
import type { Clock } from '../kube/clock.ts';
import { transitioned } from '../kube/conditions.ts';
import type { Result } from '../kube/controller.ts';
import type { Recorder } from '../kube/events.ts';
import { withFinalizer } from '../kube/finalizer.ts';
import type { Ear } from '../progress/heard.ts';
import { deletionJob } from './deletion-job.ts';
import { expectation, type TrainingObject } from './expectation.ts';
import { imageFor, jobsToTry, trainingJob, type TrainingFacts } from './job.ts';
import { type Look, lookAt } from './look.ts';
import { type Plan, plan, RETRY_ANNOTATION } from './plan.ts';
import { releases } from './release.ts';
import { type StoredStatus, type StoredTraining, statusOf, TRAININGS, trainingObject } from './stored.ts';
import { happenings } from './transitions.ts';

export type Operating = {
  readonly kube: Kube;
  readonly clock: Clock;
  readonly cluster: Cluster;
  readonly config: JobConfig;
  readonly recorder: Recorder;
  readonly ear: Ear;
};

const FINALIZER = 'pggan.dev/run';
const PROGRESS_MANAGER = 'pggan-operator-progress';
/** When a Job is looked at again whose pod has ended, should nobody tell of its own end. */
const ENDS_SECONDS = 5;

export function createTrainingReconcile(operating: Operating): (key: string, signal: AbortSignal) => Promise<Result> {
  const { kube, cluster } = operating;
  const memories = createMemories();
  return async (key, signal) => {
    const stored = cluster.trainings.get(key);
    if (stored === undefined || !isManagedHere(stored)) {
      memories.forget(key);
      return {};
    }
    const round = (): Promise<Round> => oneRound(operating, stored, memories.of(key), signal);
    const lifecycle = { reconcile: async () => (await round()).result, cleanup: async () => {} };
    const finalizer = { kube, resource: TRAININGS, name: FINALIZER };
    if (stored.metadata?.deletionTimestamp === undefined) return withFinalizer(finalizer, stored, lifecycle);
    // Its Jobs end before it does.
    const { result, released } = await round();
    return released ? withFinalizer(finalizer, stored, lifecycle) : result;
  };
}

type Round = { readonly result: Result; readonly released: boolean };

async function oneRound(operating: Operating, stored: StoredTraining, memory: Memory, signal: AbortSignal): Promise<Round> {
  const { kube, clock, cluster, ear, recorder } = operating;
  await lookAtForeign(kube, memory, signal);
  const training = trainingObject(stored);
  const now = clock.now();
  const { refusals, deletionRefused } = memory;
  const remembered = { foreign: memory.foreign.values(), refusals, ...(deletionRefused !== undefined && { deletionRefused }) };
  const look = lookAt(training, cluster, ear, remembered, now);
  if (look.endsNow && !asksForMore(training)) return { result: { requeueAfterSeconds: ENDS_SECONDS }, released: false };
  const decided = await tried(operating, training, look, plan(training, look.seen, now), memory, now, signal);
  const status = completed(operating, training, look, decided, now);
  const enacted = await write(operating, stored, { look, decided, status, memory }, signal);
  if (enacted.written === 'written') tell(operating, stored, status);
  // What was measured is told over the version that was looked at: after another write the next round tells it.
  if (enacted.written === 'unchanged' && look.document) await tellProgress(operating, stored, look.document, signal);
  const released = enacted.written !== 'outdated' && releases(recorder, stored, decided, enacted, memory);
  const waits = waitSeconds(enacted, decided, memory);
  return { result: waits === undefined ? {} : { requeueAfterSeconds: waits }, released };
}

/** True where somebody wants something that has not been looked at yet. */
function asksForMore({ metadata, status }: TrainingObject): boolean {
  const asked = metadata.annotations?.[RETRY_ANNOTATION];
  const retries = asked !== undefined && asked !== status?.lastHandledRetry;
  return retries || metadata.deletionTimestamp !== undefined || metadata.generation !== status?.observedGeneration;
}

/**
 * Before the very first Job, before the first after an edit, and as long as one was refused, the server is asked about all Jobs: a quota or a policy
 * that refuses the last phase is met now, and not in a week.
 */
async function tried(
  { kube, config }: Operating,
  training: TrainingObject,
  look: Look,
  decided: Plan,
  memory: Memory,
  now: Date,
  signal: AbortSignal,
): Promise<Plan> {
  const wanted = expectation(training);
  if (wanted.kind === 'invalid' || training.metadata.deletionTimestamp !== undefined || !askFirst(decided, training, memory))
    return decided;
  const refusal = await refusalOf(kube, jobsToTry(training, wanted.phases, factsOf(training, look), config), signal);
  return refusal === undefined ? decided : refused(decided, training, refusal, now);
}

/** What plan() does not know: the trainer's image and the run it starts from, fixed when it begins, and whether its process answers. */
function completed({ config }: Operating, training: TrainingObject, look: Look, { status, actions }: Plan, now: Date): StoredStatus {
  const { reachable, initFromUri, seen } = look;
  const { image = imageFor(training.spec, config) } = factsOf(training, undefined);
  const accepted = status.conditions.some(({ type, status: is }) => type === 'Accepted' && is === 'True');
  const { generation } = training.metadata;
  const answers = { type: 'ProgressReachable', observedGeneration: generation } as const;
  const words = reachable
    ? { status: 'True', reason: 'Answered', message: 'The trainer answers at /progress.' }
    : {
        status: 'False',
        reason: 'NoAnswer',
        message: 'The trainer does not answer at /progress: see NetworkPolicies and service meshes. It may train all the same.',
      };
  const wanted = reachable === undefined ? [] : [{ ...answers, ...words, status: reachable ? 'True' : 'False' } as const];
  const conditions = [...status.conditions, ...transitioned(wanted, training.status?.conditions ?? [], now)];
  const begun = training.status?.preflight.job !== undefined || actions.some(({ kind }) => kind === 'createJob');
  const begins = begun && seen.source?.ready === true && initFromUri !== undefined;
  return { ...status, conditions, ...(accepted && { image }), ...(begins && { initFromUri }) };
}

function factsOf(training: TrainingObject, look: Look | undefined): TrainingFacts {
  const image = training.status && (training.status as StoredStatus).image;
  const checkpointSeconds = training.status?.checkpointSeconds;
  return {
    ...(image !== undefined && { image }),
    ...(look?.initFromUri !== undefined && { initFromUri: look.initFromUri }),
    ...(checkpointSeconds !== undefined && { checkpointSeconds }),
  };
}

type Written = { readonly look: Look; readonly decided: Plan; readonly status: StoredStatus; readonly memory: Memory };

function write(
  operating: Operating,
  stored: StoredTraining,
  { look, decided, status, memory }: Written,
  signal: AbortSignal,
): Promise<Enacted> {
  const { kube, clock, cluster, config, recorder } = operating;
  const training = trainingObject(stored);
  const enactment = {
    kube,
    clock,
    resource: TRAININGS,
    objects: cluster.trainings,
    jobs: cluster.jobs,
    object: stored,
    status,
    owns: (field: string) => field !== 'progress',
    actions: decided.actions,
    podLabel: `${LABELS.training}=${training.metadata.name}`,
  };
  return enact(
    {
      ...enactment,
      build: (create) => trainingJob({ ...training, status }, create, factsOf({ ...training, status }, look), config),
      buildDeletion: (name) => deletionJob(training, name, factsOf({ ...training, status }, look), config),
      onWarning(job, text) {
        memory.refusals.set(job.metadata?.uid ?? '', text);
        recorder.record(stored, TRAININGS, happening('JobWarning', 'Create', `${job.metadata?.name}: ${text}`));
      },
      onForeign: (job) => rememberForeign(memory, job),
    },
    signal,
  );
}

function tell({ recorder }: Operating, stored: StoredTraining, status: StoredStatus): void {
  for (const news of happenings(statusOf(stored), status)) recorder.record(stored, TRAININGS, news);
}

async function tellProgress({ kube }: Operating, stored: StoredTraining, document: TrainingProgress, signal: AbortSignal): Promise<void> {
  const { resolution, images, lod, losses, secondsPerKimg, imagesPerSecond, time } = document;
  const progress = { resolution, images, kimg: images / 1000, lod, losses, secondsPerKimg, imagesPerSecond, time };
  const writer = { kube, resource: TRAININGS, fieldManager: PROGRESS_MANAGER, owns: (field: string) => field === 'progress' };
  await applyStatus(writer, stored, { progress }, signal);
}
