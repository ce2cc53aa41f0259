/** Jobs and pods for tests, in the shapes in which the API server lists them, and one Job as plan() is told of it. */
import assert from 'node:assert/strict';
import { observedJobs } from '../training/source.ts';
import type { Listed } from './observe.ts';
import type { Job, JobSpec, Pod } from './wire.ts';

export const NOW = '2030-01-01T12:00:00Z';
export const START = '2030-01-01T10:00:00Z';
const OWNER = { kind: 'PGGANTraining', metadata: { name: 'x', namespace: 'research', uid: 'training-1' } } as const;
export const PROGRESS = {
  version: 'v1',
  kind: 'training',
  state: 'Stopped',
  resolution: 8,
  images: 700_000,
  phaseEndImages: 1_800_192,
  lod: 6,
  tick: 3,
  minibatch: 16,
  epochs: 1,
  attempt: 2,
  checkpoint: { uri: 'file:///claims/runs/gan/research/x/checkpoints/000000700000', images: 700_000, digest: 'd', time: START },
  time: '2030-01-01T11:00:00Z',
} as const;

type Metadata = NonNullable<Pod['metadata']>;

export function job(
  parts: Partial<Metadata> & { readonly spec?: Partial<JobSpec>; readonly status?: Job['status'] } = {},
  owner = 'training-1',
): Job {
  const { spec, status, ...metadata } = parts;
  const task = { kind: 'train', resolution: 8, endImages: 1_800_192 };
  return {
    metadata: {
      name: 'x-8',
      uid: 'job-1',
      creationTimestamp: START,
      annotations: { 'pggan.dev/task': JSON.stringify(task), 'pggan.dev/digest': 'd1' },
      ownerReferences: [{ apiVersion: 'pggan.dev/v1alpha1', kind: 'PGGANTraining', name: 'x', uid: owner, controller: true }],
      ...metadata,
    },
    ...(spec && { spec: { template: {}, ...spec } }),
    ...(status && { status }),
  };
}

export function pod(
  status: NonNullable<Pod['status']>,
  { owner = 'job-1', ...metadata }: Partial<Metadata> & { readonly owner?: string } = {},
): Pod {
  const ownerReferences = [{ apiVersion: 'batch/v1', kind: 'Job', name: 'x-8', uid: owner, controller: true }];
  return { metadata: { name: 'x-8-abcde', creationTimestamp: START, ownerReferences, ...metadata }, status };
}

type Container = NonNullable<NonNullable<Pod['status']>['containerStatuses']>[number];

export function container(state: NonNullable<Container['state']>): Container {
  return { name: 'trainer', image: 'i', imageID: '', ready: false, restartCount: 0, state };
}

export function exit(exitCode: number, terminated: object): NonNullable<Pod['status']> {
  return { containerStatuses: [container({ terminated: { exitCode, ...terminated } })] };
}

export function condition(type: string, lastTransitionTime = NOW) {
  return { type, status: 'True', lastTransitionTime };
}

export function listed(jobs: readonly Job[], pods: readonly Pod[], refusals: ReadonlyMap<string, string> = new Map()): Listed {
  return { owner: OWNER, jobs, pods, refusals, now: new Date(NOW) };
}

export function only(observed: Job, pods: readonly Pod[]) {
  const [seen] = observedJobs(listed([observed], pods)).jobs;
  assert.ok(seen);
  return seen;
}
