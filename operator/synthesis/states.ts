/** Every state of a SynthesisJob as an example: what is seen, and what planSynthesis() answers. docs/states.md is made of it. */
import type { Health } from '../health.ts';
import { refused } from '../jobs/refused.ts';
import { taskDigest } from '../training/digest.ts';
import type { JobFailure, ObservedJob } from '../training/observed.ts';
import type { ObservedSynthesis, SynthesisObject, SynthesisTask } from './observed.ts';
import { planSynthesis, type SynthesisPlan } from './plan.ts';

export type SynthesisExample = {
  readonly state: string;
  readonly when: string;
  readonly health: Health;
  readonly example: () => { readonly object: SynthesisObject; readonly plan?: SynthesisPlan };
};

export const NOW = new Date('2030-01-01T00:00:00Z');
const SPEC: SynthesisObject['spec'] = {
  trainingRef: { name: 'x' },
  waitForTraining: true,
  count: 10,
  seed: 1000,
  latents: 'RandomState',
  shards: 4,
  output: { uri: 's3://pggan/synthetic' },
  format: 'PNG',
  minibatch: 8,
  threads: 2,
  suspend: false,
  maxRestarts: 10,
  ttlSecondsAfterFinished: 60,
};

export const synthesis = (spec: Partial<SynthesisObject['spec']> = {}, status?: SynthesisObject['status']): SynthesisObject => ({
  metadata: { name: 's', namespace: 'default', uid: 'u', generation: 1 },
  spec: { ...SPEC, ...spec },
  ...(status && { status }),
});

export const NOTHING: ObservedSynthesis = { jobs: [], conflicts: [], unfinishedPods: [], completedShards: [], progress: [] };
export const TRAINED = { succeeded: true, stalled: false, checkpointUri: 's3://pggan/runs/default/x' };

export const job = (state: ObservedJob['state'], rest: Partial<ObservedJob<SynthesisTask>> = {}): ObservedJob<SynthesisTask> => ({
  name: 's-synthesis',
  uid: 'j',
  task: { kind: 'synthesize', checkpointUri: TRAINED.checkpointUri },
  digest: '',
  deleting: false,
  expires: false,
  state,
  inQueue: state.kind === 'queued',
  createdAt: NOW.toISOString(),
  podsFailed: 0,
  podsEnded: 0,
  ...rest,
});

type Seen = Partial<ObservedSynthesis>;
type Setting = {
  readonly spec?: Partial<SynthesisObject['spec']>;
  readonly metadata?: Partial<SynthesisObject['metadata']>;
  /** What was seen before, long enough for its status to be written. */
  readonly before?: Seen;
  readonly seconds?: number;
};

/** Built from the spec as it is, where a Job does not say otherwise. */
const world = ({ jobs = [], ...seen }: Seen, spec: SynthesisObject['spec']): ObservedSynthesis => {
  const digest = taskDigest(spec, { kind: 'synthesize' });
  return { ...NOTHING, training: TRAINED, jobs: jobs.map((one) => (one.digest === '' ? { ...one, digest } : one)), ...seen };
};

/** What is decided of `seen`, planned twice, so that the answer is a settled one. */
const settled =
  (seen: Seen, { spec = {}, metadata = {}, before, seconds = 0 }: Setting = {}): SynthesisExample['example'] =>
  () => {
    const first = planSynthesis(synthesis(spec), world(before ?? seen, synthesis(spec).spec), NOW);
    const asked = synthesis(spec, first.status);
    const object = { ...asked, metadata: { ...asked.metadata, ...metadata } };
    const plan = planSynthesis(object, world(seen, object.spec), new Date(NOW.getTime() + seconds * 1000));
    return { object: { ...object, status: plan.status }, plan };
  };

const since = NOW.toISOString();
const running = job({ kind: 'active', pod: { kind: 'running' } });
const failed = (exitCode: number, outOfMemory = false): Seen => {
  const failure: JobFailure = { exitCode, outOfMemory, message: `exit ${exitCode}` };
  return { jobs: [job({ kind: 'failed', finishedAt: since }, { podsFailed: 1, podsEnded: 1, failure })] };
};
const killedForMemory = (times: number): Seen => {
  const failure: JobFailure = { exitCode: 137, outOfMemory: true, message: 'killed for want of memory' };
  return { jobs: [job({ kind: 'active', pod: { kind: 'pending' } }, { podsFailed: times, podsEnded: times, failure })] };
};
const withoutPod: Seen = { jobs: [job({ kind: 'active', pod: { kind: 'none', since, message: 'exceeded quota' } })] };
const onLostNode: Seen = { jobs: [job({ kind: 'active', pod: { kind: 'lost', since } })] };
const done: Seen = { jobs: [job({ kind: 'succeeded', finishedAt: since })] };

export const SYNTHESIS_STATES: readonly SynthesisExample[] = [
  {
    state: 'Not seen',
    when: 'the operator has not looked at the object yet',
    health: 'working',
    example: () => ({ object: synthesis() }),
  },
  {
    state: 'Waits for its training',
    when: 'the training of trainingRef has not succeeded yet, has stalled, or is not there',
    health: 'working',
    example: settled({ training: { succeeded: false, stalled: true } }),
  },
  {
    state: 'Larger than trained',
    when: 'spec.resolution is beyond that of its training',
    health: 'failed',
    example: settled({ training: { ...TRAINED, resolution: 64 } }, { spec: { resolution: 128 } }),
  },
  { state: 'Just created', when: 'its checkpoint is there', health: 'working', example: settled({}) },
  {
    state: 'Refused',
    when: 'the API server will not have its Job (quota, policy); asked again every minute',
    health: 'failed',
    example: () => {
      const object = synthesis();
      const plan = refused(
        planSynthesis(object, world({}, object.spec), NOW),
        object,
        'Job s-synthesis would be refused: exceeded quota',
        NOW,
      );
      return { object: { ...object, status: plan.status }, plan };
    },
  },
  {
    state: 'Previous pods',
    when: 'a pod of this name has not ended, whatever its owner',
    health: 'working',
    example: settled({ unfinishedPods: ['s-synthesis-0'] }),
  },
  {
    state: 'Previous pods lost',
    when: 'such a pod is on a lost node',
    health: 'working',
    example: settled({ unfinishedPods: ['s-synthesis-0'], terminatingPods: [{ name: 's-synthesis-0', lostAt: since }] }),
  },
  {
    state: 'Queued',
    when: 'a queue has not admitted the Job',
    health: 'working',
    example: settled({ jobs: [job({ kind: 'queued' })] }, { spec: { queue: { name: 'gpu' } } }),
  },
  {
    state: 'Edited before it began',
    when: 'the spec was edited since its Job was made, and no pod of the Job has run',
    health: 'working',
    example: settled({ jobs: [job({ kind: 'active', pod: { kind: 'pending' } }, { digest: 'earlier' })] }),
  },
  { state: 'Scheduling', when: 'the Job has no pod yet', health: 'working', example: settled(withoutPod) },
  { state: 'No pod', when: 'for a minute', health: 'working', example: settled(withoutPod, { seconds: 60 }) },
  {
    state: 'No pod for long',
    when: 'for an hour; goes on when it gets one',
    health: 'failed',
    example: settled(withoutPod, { seconds: 3600 }),
  },
  { state: 'Synthesizing', when: 'a pod draws', health: 'working', example: settled({ jobs: [running] }) },
  {
    state: 'Node lost',
    when: 'a pod has been terminating for longer than its grace and a minute',
    health: 'working',
    example: settled(onLostNode),
  },
  {
    state: 'Node lost for long',
    when: 'for an hour; goes on when the pod is gone',
    health: 'failed',
    example: settled(onLostNode, { seconds: 3600 }),
  },
  {
    state: 'Suspended',
    when: 'spec.suspend is set while a pod draws',
    health: 'suspended',
    example: settled({ jobs: [running] }, { spec: { suspend: true } }),
  },
  {
    state: 'Suspended in a queue',
    when: 'spec.suspend is set on a queued job',
    health: 'suspended',
    example: settled({ jobs: [job({ kind: 'queued' })] }, { spec: { suspend: true, queue: { name: 'gpu' } } }),
  },
  { state: 'Exit 2', when: 'run document or checkpoint is invalid', health: 'failed', example: settled(failed(2)) },
  { state: 'Exit 3', when: 'it does not fit into memory', health: 'failed', example: settled(failed(3)) },
  { state: 'Exit 4', when: 'the store is unreachable', health: 'working', example: settled(failed(4)) },
  { state: 'Exit 4, due again', when: 'the delay has passed', health: 'working', example: settled(failed(4), { seconds: 40 }) },
  { state: 'Exit 4 for long', when: 'for an hour; still tried again', health: 'failed', example: settled(failed(4), { seconds: 3600 }) },
  { state: 'Restarts spent', when: 'a shard failed more often than maxRestarts', health: 'failed', example: settled(failed(1)) },
  {
    state: 'Out of memory',
    when: 'three kills for memory in a row without an image',
    health: 'failed',
    example: settled(killedForMemory(3), { before: killedForMemory(0) }),
  },
  {
    state: 'Name conflict',
    when: 'the name of its Job belongs to another owner',
    health: 'failed',
    example: settled({ conflicts: ['s-synthesis'] }),
  },
  {
    state: 'Retried',
    when: 'pggan.dev/retry has a new value',
    health: 'working',
    example: settled(failed(2), { metadata: { annotations: { 'pggan.dev/retry': '1' } } }),
  },
  { state: 'Succeeded', when: 'all images are written', health: 'done', example: settled(done) },
  { state: 'Succeeded, Job gone', when: 'the Job has expired', health: 'done', example: settled({}, { before: done }) },
  {
    state: 'Deleted',
    when: 'the object is being deleted',
    health: 'going',
    example: settled({ jobs: [running] }, { metadata: { generation: 2, deletionTimestamp: since } }),
  },
];
