/** Trainings of eight phases that have ended, with their Jobs and pods, as an API server lists them in pages. */
import type { Job, Pod } from '../operator/kube/resource.ts';
import { trainingObject } from '../operator/jobs/test-objects.ts';
import { expectation } from '../operator/training/expectation.ts';
import { jobsToTry } from '../operator/training/job.ts';
import { plan } from '../operator/training/plan.ts';
import { TALES } from '../test/harness/fleet-trainings.ts';

export type Listing = {
  /** Pages of JSON, by kind. */
  readonly pages: Readonly<Record<string, readonly string[]>>;
  readonly objects: number;
};

const PAGE = 500;
const TIME = '2026-01-01T00:00:00Z';
const uidOf = (name: string): string => Buffer.from(name.padEnd(27)).toString('base64url');
/** As every object has them: written by two components, a dozen fields each. */
const MANAGED_FIELDS = ['kube-controller-manager', 'kubelet'].map((manager) => ({
  manager,
  operation: 'Update',
  time: TIME,
  fieldsV1: Object.fromEntries(Array.from({ length: 12 }, (_, index) => [`f:field-${index}`, {}])),
}));

export function endedFleet(trainings: number): Listing {
  const base = trainingObject();
  const wanted = expectation(base);
  if (wanted.kind === 'invalid') throw new Error(wanted.problems.join());
  const tried = jobsToTry(base, wanted.phases, {}, { cluster: 'bench', trainerImage: 'any', port: 8080 });
  const { status } = plan(base, { jobs: [], conflicts: [], unfinishedPods: [] }, new Date(TIME));
  const names = Array.from({ length: trainings }, (_, index) => `training-${index}`);
  const stored = (name: string) => ({
    namespace: 'fleet',
    name,
    uid: uidOf(name),
    resourceVersion: '1',
    creationTimestamp: TIME,
    managedFields: MANAGED_FIELDS,
  });
  const jobs = names.flatMap((training) =>
    tried.map((job): Job => {
      const name = `${training}-${job.metadata?.name?.split('-').at(-1)}`;
      const owner = {
        ...base.metadata,
        apiVersion: 'pggan.dev/v1alpha1',
        kind: 'PGGANTraining',
        name: training,
        uid: uidOf(training),
        controller: true,
      };
      const labels = { ...job.metadata?.labels, 'pggan.dev/training': training };
      const conditions = ['SuccessCriteriaMet', 'Complete'].map((type) => ({
        type,
        status: 'True',
        reason: 'CompletionsReached',
        lastTransitionTime: TIME,
      }));
      return {
        ...job,
        metadata: { ...job.metadata, ...stored(name), labels, ownerReferences: [owner] },
        status: { startTime: TIME, completionTime: TIME, succeeded: 1, conditions },
      };
    }),
  );
  const records = status.phases.map((phase) => ({ ...phase, state: 'Complete', attempts: 1, startTime: TIME, completionTime: TIME }));
  const all: Readonly<Record<string, readonly object[]>> = {
    pggantrainings: names.map((name) => ({
      metadata: { ...stored(name), generation: 1, finalizers: ['pggan.dev/run'] },
      spec: base.spec,
      status: { ...status, preflight: { ...status.preflight, state: 'Complete' }, phases: records },
    })),
    jobs,
    pods: jobs.map(podOf),
  };
  const pages = Object.fromEntries(Object.entries(all).map(([kind, objects]) => [kind, pagesOf(objects)]));
  return { pages, objects: Object.values(all).reduce((sum, objects) => sum + objects.length, 0) };

  function podOf({ metadata, spec }: Job): Pod {
    const tale = TALES[metadata?.labels?.['pggan.dev/resolution'] ?? 'preflight'];
    const message = JSON.stringify({ ...tale?.lastWords, time: TIME });
    const terminated = { exitCode: 0, reason: 'Completed', message, startedAt: TIME, finishedAt: TIME };
    const owner = { apiVersion: 'batch/v1', kind: 'Job', name: metadata?.name ?? '', uid: metadata?.uid ?? '', controller: true };
    const conditions = ['PodScheduled', 'Initialized', 'Ready', 'ContainersReady'].map((type) => ({
      type,
      status: 'True',
      lastTransitionTime: TIME,
    }));
    const container = { name: 'trainer', image: 'any', imageID: 'sha256:0', ready: false, restartCount: 0, state: { terminated } };
    return {
      metadata: { ...stored(`${metadata?.name}-abcde`), labels: metadata?.labels, ownerReferences: [owner] },
      spec: { containers: [], ...spec?.template.spec },
      status: { phase: 'Succeeded', podIP: tale?.address, startTime: TIME, conditions, containerStatuses: [container] },
    };
  }
}

function pagesOf(objects: readonly object[]): readonly string[] {
  const count = Math.ceil(objects.length / PAGE);
  return Array.from({ length: count }, (_, page) => JSON.stringify(objects.slice(page * PAGE, (page + 1) * PAGE)));
}
