/** The operator's parts put together: reflectors fill stores and wake queues, workers reconcile, a poll asks the trainers. */
import type { Logger } from 'pino';
import { asError } from '../crds/errors.ts';
import { THIS_OPERATOR } from '../crds/v1alpha1/common.ts';
import { type Cluster, MANAGED, NAME_LABELS, projectJob, projectPod, withoutManagedFields } from './cluster.ts';
import { waitsFor, type Waking, wakersOf } from './wake.ts';
import type { JobConfig } from './jobs/pod.ts';
import type { Kube } from './kube/client.ts';
import { type Clock, systemClock } from './kube/clock.ts';
import { createController } from './kube/controller.ts';
import { createRecorder } from './kube/events.ts';
import { createReflectors, type Reflectors } from './kube/reflectors.ts';
import { JOBS, type KubeObject, PODS, refOf, type Resource } from './kube/resource.ts';
import type { Change } from './kube/store.ts';
import { createWorkQueue, type WorkQueue } from './kube/workqueue.ts';
import { createHearing } from './progress/heard.ts';
import { intervalSeconds, poll } from './progress/poll.ts';
import { readPod, readPodThrough } from './progress/read.ts';
import { createSynthesisReconcile } from './synthesis/reconcile.ts';
import { SYNTHESIS_JOBS } from './synthesis/stored.ts';
import type { OperatorMetrics } from './telemetry/metrics.ts';
import { createTrainingReconcile } from './training/reconcile.ts';
import { TRAININGS } from './training/stored.ts';

export type OperatorOptions = {
  readonly kube: Kube;
  readonly log: Logger;
  readonly metrics: OperatorMetrics;
  readonly config: JobConfig;
  /** All where empty or absent. */
  readonly namespaces?: readonly string[];
  /** Of this process alone. */
  readonly instance: string;
  readonly pollSeconds?: number;
  /** Whether trainers are asked through the API server, as from where no pod's address can be reached. */
  readonly podProxy?: boolean;
  /** By which pods are judged: how long one has been terminating, or a trainer has stood still. */
  readonly clock?: Clock;
};

export interface Operator {
  /** What it sees. */
  readonly cluster: Cluster;
  /** Keeps the stores equal to the cluster. A process that stands by does so too, so that it can lead at once. */
  reflect(signal: AbortSignal): Promise<void>;
  /** Acts. Only the leader may. */
  lead(signal: AbortSignal): Promise<void>;
  readonly synced: Promise<void>;
  /** How long the longest of the reconciles under way has been. */
  longestSeconds(): number;
}

/** A reconcile spends nearly all of its time waiting for the API server: after a fail-over a large fleet is not to wait for four at a time. */
const WORKERS = 16;

export function createOperator(options: OperatorOptions): Operator {
  const { kube, log, metrics, config, namespaces = [], instance, pollSeconds, podProxy = false, clock = systemClock } = options;
  const queueOf = (name: string) => createWorkQueue({ metrics: metrics.queue(name) });
  const queues = { trainings: queueOf('pggantraining'), syntheses: queueOf('synthesisjob') };
  /** Half of a namespace is nothing to act on: its keys wait until all of it has been listed, and those of others do not. */
  const listed = (key: string): Promise<unknown> => Promise.all(all.map((reflectors) => reflectors.syncedIn(refOf(key).namespace)));
  const whenListed = (queue: WorkQueue): Waking => ({
    add: (key) => void listed(key).then(() => queue.add(key)),
    addAfter: (key, seconds) => void listed(key).then(() => queue.addAfter(key, seconds)),
  });
  const wake = wakersOf({ trainings: whenListed(queues.trainings), syntheses: whenListed(queues.syntheses) }, () => cluster);

  const reflect = <T extends KubeObject>(
    resource: Resource<T>,
    parts: {
      readonly project: (object: T) => T;
      readonly onChange: (change: Change<T>) => void;
      readonly labelSelector?: string;
      readonly refersTo?: (object: T) => readonly string[];
    },
  ): Reflectors<T> => {
    const made = createReflectors<T, T>({
      kube,
      resource,
      labels: NAME_LABELS,
      namespaces,
      ...parts,
      onError: (error, next, namespace) =>
        log.warn({ resource: resource.plural, namespace, code: error.code, err: error, ...next }, 'watching failed'),
    });
    metrics.watch(resource.plural, () => made.staleSeconds());
    return made;
  };
  const reflectors = {
    trainings: reflect(TRAININGS, {
      project: withoutManagedFields,
      onChange: wake.training,
      refersTo: (training) => waitsFor(training, training.spec.initFrom?.trainingRef),
    }),
    syntheses: reflect(SYNTHESIS_JOBS, {
      project: withoutManagedFields,
      onChange: wake.synthesis,
      refersTo: (synthesis) => waitsFor(synthesis, synthesis.spec.trainingRef),
    }),
    jobs: reflect(JOBS, { project: projectJob, onChange: wake.job, labelSelector: MANAGED }),
    pods: reflect(PODS, { project: projectPod, onChange: wake.pod, labelSelector: MANAGED }),
  };
  const all: readonly Reflectors<KubeObject>[] = Object.values(reflectors);
  const cluster: Cluster = {
    trainings: reflectors.trainings.store,
    syntheses: reflectors.syntheses.store,
    jobs: reflectors.jobs.store,
    pods: reflectors.pods.store,
  };

  const recorder = createRecorder({
    kube,
    controller: THIS_OPERATOR,
    instance,
    onDropped: ({ reason, regarding }, error) => log.warn({ reason, name: regarding?.name, err: asError(error) }, 'an event was dropped'),
  });
  const hearing = createHearing(clock, (pods) => 2 * intervalSeconds(pods, pollSeconds) + 2);
  const operating = { kube, clock, cluster, config, recorder, ear: hearing };
  const controllerOf = (name: string, queue: typeof queues.trainings, reconcile: ReturnType<typeof createTrainingReconcile>) =>
    createController({
      queue,
      reconcile,
      workers: WORKERS,
      onReconciled(report) {
        metrics.reconciled(name, report);
        if (report.error) log.warn({ controller: name, key: report.key, err: report.error }, 'reconciling failed');
      },
    });
  const controllers = [
    controllerOf('pggantraining', queues.trainings, createTrainingReconcile(operating)),
    controllerOf('synthesisjob', queues.syntheses, createSynthesisReconcile(operating)),
  ];
  /** Pods whose Job is ours: a label alone is nothing to go by. */
  const ownPods = () => {
    const jobs = new Set(cluster.jobs.list().map(({ metadata }) => metadata?.uid));
    return cluster.pods.list().filter(({ metadata }) => metadata?.ownerReferences?.some(({ uid }) => jobs.has(uid)));
  };

  return {
    cluster,
    synced: Promise.all(all.map(({ synced }) => synced)).then(() => undefined),
    longestSeconds: () => Math.max(...controllers.map((controller) => controller.longestSeconds())),
    async reflect(signal) {
      await Promise.all(all.map((reflector) => reflector.run(signal)));
    },
    async lead(signal) {
      const polling = poll(
        {
          clock,
          pods: ownPods,
          hearing,
          port: config.port,
          read: podProxy ? readPodThrough(kube) : readPod,
          told: wake.heard,
          onError: (error) => log.error({ err: error }, 'polling failed'),
          ...(pollSeconds !== undefined && { leastSeconds: pollSeconds }),
        },
        signal,
      );
      await Promise.all([polling, ...controllers.map((controller) => controller.run(signal))]);
      await recorder.flush();
    },
  };
}
