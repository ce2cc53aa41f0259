/** Brings one SynthesisJob a step on: look, plan, write down, act, tell. */
import type { SynthesisProgress } from '../../crds/progress.ts';
import type { PGGANTrainingSpec } from '../../crds/v1alpha1/pggan-training.ts';
import { happening } from '../events.ts';
import { createMemories, lookAtForeign, type Memory, rememberForeign } from '../jobs/attempts.ts';
import { enact } from '../jobs/enact.ts';
import { LABELS } from '../jobs/metadata.ts';
import { type Listed, ownPods } from '../jobs/observe.ts';
import { hasEnded, outsidePod } from '../jobs/pods.ts';
import { isTrue } from '../kube/conditions.ts';
import type { Result } from '../kube/controller.ts';
import { conditionsOf } from '../training/conditions.ts';
import { verdict } from '../training/decision.ts';
import type { Operating } from '../training/reconcile.ts';
import { verdictHappenings } from '../training/transitions.ts';
import { synthesisJob } from './job.ts';
import type { ObservedSynthesis, SynthesisObject } from './observed.ts';
import { planSynthesis } from './plan.ts';
import { observedShards, SHARD_INDEX } from './source.ts';
import { type StoredSynthesis, statusOf, SYNTHESIS_JOBS, synthesisObject } from './stored.ts';

/** When a Job that was refused, or whose name was taken, is tried again. */
const REFUSED_SECONDS = 60;
/** When the way is looked at again that a pod blocks which nobody tells of. */
const BLOCKED_SECONDS = 5;

export function createSynthesisReconcile(operating: Operating): (key: string, signal: AbortSignal) => Promise<Result> {
  const { cluster } = operating;
  const memories = createMemories();
  return async (key, signal) => {
    const stored = cluster.syntheses.get(key);
    if (stored !== undefined) return oneRound(operating, stored, memories.of(key), signal);
    memories.forget(key);
    return {};
  };
}

async function oneRound(operating: Operating, stored: StoredSynthesis, memory: Memory, signal: AbortSignal): Promise<Result> {
  const { kube, clock, cluster, config, recorder } = operating;
  await lookAtForeign(kube, memory, signal);
  const object = synthesisObject(stored);
  const now = clock.now();
  const { status: planned, actions, lookAgainSeconds } = planSynthesis(object, lookAt(operating, object, memory, now), now);
  const image = object.status?.image ?? config.trainerImage;
  const status = { ...planned, ...(planned.task.job && { image }) };
  const training = trainingOf(operating, object);
  const enactment = {
    kube,
    clock,
    resource: SYNTHESIS_JOBS,
    objects: cluster.syntheses,
    jobs: cluster.jobs,
    object: stored,
    owns: () => true,
    podLabel: `${LABELS.synthesis}=${object.metadata.name}`,
  };
  const enacted = await enact(
    {
      ...enactment,
      status,
      actions,
      build: (create) => synthesisJob(object, create, { image, ...(training && drawnWith(training.spec)) }, config),
      onWarning(job, text) {
        memory.refusals.set(job.metadata?.uid ?? '', text);
        recorder.record(stored, SYNTHESIS_JOBS, happening('JobWarning', 'Create', text));
      },
      onForeign: (job) => rememberForeign(memory, job),
    },
    signal,
  );
  if (enacted.written === 'written') {
    const told = verdictHappenings(statusOf(stored)?.conditions ?? [], status.conditions, 'Synthesize');
    for (const news of told) recorder.record(stored, SYNTHESIS_JOBS, news);
  }
  if (enacted.hindrance?.kind === 'refused') return refused(enacted.hindrance.message);
  if (enacted.hindrance?.kind === 'blocked') return { requeueAfterSeconds: BLOCKED_SECONDS };
  const waits = memory.foreign.size > 0 ? REFUSED_SECONDS : lookAgainSeconds;
  return waits === undefined ? {} : { requeueAfterSeconds: waits };

  /** Said over what has just been written; an answer of 'outdated' leaves it to the next try. */
  async function refused(refusal: string): Promise<Result> {
    const latest = cluster.syntheses.get(`${object.metadata.namespace}/${object.metadata.name}`) ?? stored;
    const said = verdict('hindered', 'JobRefused', `${refusal}; it is tried again every minute`);
    const conditions = conditionsOf(said, object.spec.suspend, status.conditions, object.metadata.generation, now);
    await enact({ ...enactment, object: latest, status: { ...status, conditions }, actions: [], ...SILENT }, signal);
    return { requeueAfterSeconds: REFUSED_SECONDS };
  }
}

/** What a Job needs to know of the training whose generator draws. */
const drawnWith = ({ resolution, store }: PGGANTrainingSpec) => ({ resolution, ...(store && { store }) });

/** An enactment without actions builds nothing. */
const SILENT = {
  build: (): never => {
    throw new Error('nothing is to be built');
  },
  onWarning: () => {},
  onForeign: () => {},
};

function trainingOf({ cluster }: Operating, { metadata, spec }: SynthesisObject) {
  return spec.trainingRef && cluster.trainings.get(`${metadata.namespace}/${spec.trainingRef.name}`);
}

function lookAt(operating: Operating, object: SynthesisObject, memory: Memory, now: Date): ObservedSynthesis {
  const { cluster, ear } = operating;
  const { metadata } = object;
  const here = <T extends Listed['pods'][number] | Listed['jobs'][number]>(objects: readonly T[]): readonly T[] =>
    objects.filter((candidate) => candidate.metadata?.namespace === metadata.namespace);
  const listed: Listed = {
    owner: { kind: 'SynthesisJob', metadata },
    jobs: [...here(cluster.jobs.labelled(LABELS.synthesis, metadata.name)), ...memory.foreign.values()],
    pods: here(cluster.pods.labelled(LABELS.synthesis, metadata.name)),
    refusals: memory.refusals,
    now,
  };
  const polled = ownPods(listed).flatMap((pod) => {
    const progress = hasEnded(pod) ? undefined : ear.heard(pod.metadata?.uid ?? '').document?.progress;
    const shard = Number(pod.metadata?.annotations?.[SHARD_INDEX] ?? 0);
    const document: SynthesisProgress | undefined = progress?.kind === 'synthesis' ? outsidePod(progress) : undefined;
    return document ? [{ shard, document }] : [];
  });
  const training = trainingOf(operating, object);
  const { conditions, checkpoint } = training?.status ?? {};
  return {
    ...observedShards(listed, polled),
    ...(training && {
      training: {
        succeeded: isTrue(conditions, 'Succeeded'),
        stalled: isTrue(conditions, 'Stalled'),
        resolution: training.spec.resolution,
        ...(checkpoint && { checkpointUri: checkpoint.uri }),
      },
    }),
  };
}
