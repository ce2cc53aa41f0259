/** Brings one SynthesisJob a step on: look, plan, write down, act, tell. */
import type { SynthesisProgress } from '../../crds/progress.ts';
import type { PGGANTrainingSpec } from '../../crds/v1alpha1/pggan-training.ts';
import { isManagedHere } from '../cluster.ts';
import { happening } from '../events.ts';
import { createMemories, lookAtForeign, type Memory, refusalOf, rememberForeign } from '../jobs/attempts.ts';
import { enact } from '../jobs/enact.ts';
import { LABELS } from '../jobs/metadata.ts';
import { type Listed, ownPods } from '../jobs/observe.ts';
import { defaultImage } from '../jobs/pod.ts';
import { hasEnded, outsidePod } from '../jobs/pods.ts';
import { askFirst, refused, waitSeconds } from '../jobs/refused.ts';
import { shardOf } from '../jobs/shards.ts';
import type { Job } from '../jobs/wire.ts';
import { isTrue } from '../kube/conditions.ts';
import type { Result } from '../kube/controller.ts';
import type { Operating } from '../training/reconcile.ts';
import { verdictHappenings } from '../training/transitions.ts';
import { synthesisJob } from './job.ts';
import type { ObservedSynthesis, SynthesisObject } from './observed.ts';
import { planSynthesis, type SynthesisPlan } from './plan.ts';
import { observedShards } from './source.ts';
import { type StoredSynthesis, statusOf, SYNTHESIS_JOBS, synthesisObject } from './stored.ts';

export function createSynthesisReconcile(operating: Operating): (key: string, signal: AbortSignal) => Promise<Result> {
  const { cluster } = operating;
  const memories = createMemories();
  return async (key, signal) => {
    const stored = cluster.syntheses.get(key);
    if (stored !== undefined && isManagedHere(stored)) return oneRound(operating, stored, memories.of(key), signal);
    memories.forget(key);
    return {};
  };
}

async function oneRound(operating: Operating, stored: StoredSynthesis, memory: Memory, signal: AbortSignal): Promise<Result> {
  const { kube, clock, cluster, config, recorder } = operating;
  await lookAtForeign(kube, memory, signal);
  const object = synthesisObject(stored);
  const now = clock.now();
  const image = object.status?.image ?? defaultImage([object.spec.template ?? {}], config);
  const training = trainingOf(operating, object);
  const build = (create: Create): Job => synthesisJob(object, create, { image, ...(training && drawnWith(training.spec)) }, config);
  const planned = planSynthesis(object, lookAt(operating, object, memory, now), now);
  const decided = await tried(kube, object, planned, build, memory, now, signal);
  const status = { ...decided.status, ...(decided.status.task.job && { image }) };
  const enacted = await enact(
    {
      kube,
      clock,
      resource: SYNTHESIS_JOBS,
      objects: cluster.syntheses,
      jobs: cluster.jobs,
      object: stored,
      owns: () => true,
      podLabel: `${LABELS.synthesis}=${object.metadata.name}`,
      status,
      actions: decided.actions,
      build,
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
  const waits = waitSeconds(enacted, decided, memory);
  return waits === undefined ? {} : { requeueAfterSeconds: waits };
}

type Create = Extract<SynthesisPlan['actions'][number], { kind: 'createJob' }>;

/** After an edit, and as long as its Job was refused, the server is asked about it before it is made: what stands in the way is said, and stays said. */
async function tried(
  kube: Operating['kube'],
  object: SynthesisObject,
  planned: SynthesisPlan,
  build: (create: Create) => Job,
  memory: Memory,
  now: Date,
  signal: AbortSignal,
): Promise<SynthesisPlan> {
  const create = planned.actions.find((action) => action.kind === 'createJob');
  if (!create || !askFirst(planned, object, memory)) return planned;
  const refusal = await refusalOf(kube, [build(create)], signal);
  return refusal === undefined ? planned : refused(planned, object, refusal, now);
}

/** What a Job needs to know of the training whose generator draws. */
const drawnWith = ({ resolution, store }: PGGANTrainingSpec) => ({ resolution, ...(store && { store }) });

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
    const shard = shardOf(pod) ?? 0;
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
