/** A small model of a cluster for the tests of plan(): a Job controller, a trainer, a queue, and everything that can go wrong with them. */
import { trainingStatus } from '../../crds/v1alpha1/pggan-training-status.ts';
import type { Waiting } from '../../crds/progress.ts';
import { refused } from '../jobs/refused.ts';
import type { Action } from './decision.ts';
import type { TrainingObject } from './expectation.ts';
import type { DeletionTask, JobFailure, JobState, Observed, ObservedJob, PodFate, PodState, Task } from './observed.ts';
import { type Plan, plan } from './plan.ts';
import type { TrainingStatus } from './status.ts';

type ModelJob = {
  readonly name: string;
  readonly uid: string;
  readonly task: Task;
  readonly digest: string;
  readonly backoffLimit: number;
  readonly createdAt: string;
  state: 'queued' | 'suspended' | 'active' | 'succeeded' | 'failed';
  finishedAt: string;
  deleting: boolean;
  expires: boolean;
  pod: boolean;
  podStartedAt: string;
  podsFailed: number;
  podsEnded: number;
  readonly inQueue: boolean;
  runTaken?: NonNullable<ObservedJob['runTaken']>;
  failure: JobFailure | undefined;
  fates: readonly PodFate[];
};

const START = Date.parse('2030-01-01T00:00:00Z');
const SPEC: TrainingObject['spec'] = {
  dataset: { uri: 's3://pggan/datasets/x' },
  output: { uri: 's3://pggan/runs' },
  resolution: 16,
  precision: 'Float32',
  totalKimg: 6,
  schedule: { trainKimg: 1, transitionKimg: 1, minibatchBase: 8, minibatchRepeats: 4 },
  mirrorAugment: false,
  seed: 1000,
  threads: 2,
  checkpoints: { everyKimg: 1, everySeconds: 60, keepLast: 3 },
  suspend: false,
  maxRestarts: 10,
  progressDeadlineSeconds: 3600,
  ttlSecondsAfterFinished: 60,
  deletionPolicy: 'Retain',
};

/** A world with one training in it. Every step checks what must never happen, and throws where it does. */
export class World {
  training: TrainingObject;
  images = 0;
  /** Created Jobs, in order. */
  readonly created: Task[] = [];
  jobs: ModelJob[] = [];
  foreignPods: string[] = [];
  seconds = 0;
  gone = false;
  runDeleted = false;
  /** How the next deletion of the run folder ends, if not well. */
  deletionFailure: JobFailure | undefined;
  deletion: ObservedJob<DeletionTask> | undefined;
  conflicts: string[] = [];
  /** Since when no Job gets a pod, for lack of quota. */
  refusedSince: string | undefined;
  /** What the API server says to every Job that is to be created. */
  refusal: string | undefined;
  /** Since when the node of the running pod has been gone. */
  lostSince: string | undefined;
  /** Since when the trainer has trained on no image though it answers. */
  stillSince: string | undefined;
  /** Why the trainer waits, as it tells. */
  waiting: Waiting | undefined;
  /** Pods vanish before anyone has read what their preflight left. */
  forgetful = false;
  /** In what the run that the preflight finds differs. */
  differences: readonly string[] = [];
  /** The training that spec.initFrom names. */
  source: Observed['source'];
  /** Pods that met such an end, whether anyone saw it or not. */
  disruptions = 0;
  outOfMemory = 0;
  last: Plan | undefined;
  #uids = 0;
  #progress = false;

  constructor(spec: Partial<TrainingObject['spec']> = {}) {
    const metadata = { name: 'x', namespace: 'default', uid: 'u', generation: 1 };
    this.training = { metadata, spec: { ...SPEC, ...spec } };
  }

  get status(): TrainingStatus | undefined {
    return this.training.status;
  }

  get deletionName(): string | undefined {
    return this.deletion?.name;
  }

  get now(): Date {
    return new Date(START + this.seconds * 1000);
  }

  get job(): ModelJob | undefined {
    return this.jobs.find((job) => job.state !== 'succeeded' && job.state !== 'failed');
  }

  observe(): Observed {
    const unfinishedPods = [...this.jobs.filter((job) => job.pod).map((job) => `${job.name}-pod`), ...this.foreignPods];
    const preflight = this.jobs.find((job) => job.task.kind === 'preflight');
    const answered = preflight?.state === 'succeeded' && !this.forgetful && { preflight: this.#preflight() };
    const live = this.jobs.find((job) => job.pod && job.task.kind === 'train');
    const progress = this.#progress &&
      live && { progress: { document: this.#document(live), fresh: true, unmovedSince: this.stillSince ?? this.now.toISOString() } };
    return {
      jobs: this.jobs.map((job) => this.#shown(job)),
      conflicts: this.conflicts,
      unfinishedPods,
      ...(this.lostSince !== undefined && { terminatingPods: unfinishedPods.map((name) => ({ name, lostAt: this.lostSince ?? '' })) }),
      fates: this.jobs.flatMap((job) => job.fates),
      ...answered,
      ...progress,
      ...(this.source && { source: this.source }),
      ...(this.deletion && { runDeletion: this.deletion }),
    };
  }

  /** One round of the operator, which may end before its status is written, or before anything is done. */
  reconcile(lost: 'nothing' | 'status' | 'actions' = 'nothing'): Plan {
    const planned = plan(this.training, this.observe(), this.now);
    const creates = planned.actions.some(({ kind }) => kind === 'createJob');
    const next = this.refusal !== undefined && creates ? refused(planned, this.training, this.refusal, this.now) : planned;
    if (lost !== 'actions') for (const action of next.actions) this.#act(action);
    // An API server would prune or refuse what the CRD does not have.
    trainingStatus.parse(next.status);
    if (lost !== 'status') this.training = { ...this.training, status: next.status };
    this.last = next;
    return next;
  }

  /** The cluster moves on by `seconds`: queues admit, pods start, trainers train, deletions end. */
  tick(seconds = 10): void {
    this.seconds += seconds;
    this.jobs = this.jobs.filter((job) => !(job.deleting && !job.pod));
    this.#deleteRun();
    for (const job of this.jobs) {
      if (job.pod && this.lostSince !== undefined) continue;
      if (job.deleting || job.state === 'suspended') job.pod = false;
      else if (job.state === 'queued') job.state = 'active';
      else if (job.state === 'active' && !job.pod) this.#startPod(job);
      else if (job.state === 'active') this.#train(job);
    }
  }

  /** The running process ends as told; nothing happens where none runs. */
  end(exitCode: number, outOfMemory = false): void {
    const job = this.jobs.find((candidate) => candidate.pod && candidate.state === 'active');
    if (!job) return;
    job.pod = false;
    job.podsEnded += 1;
    job.failure = { exitCode, outOfMemory, message: `exit ${exitCode}` };
    const disrupted = exitCode === 75;
    this.disruptions += disrupted ? 1 : 0;
    this.outOfMemory += outOfMemory ? 1 : 0;
    if (disrupted || outOfMemory)
      job.fates = [...job.fates, { uid: `${job.uid}-${job.podsEnded}`, createdAt: this.now.toISOString(), disrupted, outOfMemory }];
    if (exitCode === 75) return;
    job.podsFailed += 1;
    if ([2, 3, 4].includes(exitCode) || job.podsFailed > job.backoffLimit) this.#finish(job, 'failed');
  }

  /** The running process finds the run taken, as after a crash whose lease has not run out. */
  endTaken(): void {
    const job = this.jobs.find((candidate) => candidate.pod && candidate.state === 'active');
    if (!job) return;
    job.pod = false;
    job.runTaken ??= {
      since: this.now.toISOString(),
      message: 's3://runs/x is being written by process 7 on node-1 (training research/x)',
    };
  }

  /** Every finished Job that may expire does. */
  expire(): void {
    this.jobs = this.jobs.filter((job) => !(job.expires && (job.state === 'succeeded' || job.state === 'failed')));
  }

  /** Someone deletes a Job by hand. */
  removeJob(): void {
    const [job] = this.jobs;
    if (job) job.deleting = true;
  }

  edit(spec: Partial<TrainingObject['spec']>): void {
    const { metadata } = this.training;
    this.training = {
      ...this.training,
      metadata: { ...metadata, generation: metadata.generation + 1 },
      spec: { ...this.training.spec, ...spec },
    };
  }

  retry(value: string): void {
    const { metadata } = this.training;
    this.training = { ...this.training, metadata: { ...metadata, annotations: { 'pggan.dev/retry': value } } };
  }

  /** The API server counts the wish to delete as an edit. */
  delete(): void {
    const { metadata } = this.training;
    const asked = { generation: metadata.generation + 1, deletionTimestamp: this.now.toISOString() };
    this.training = { ...this.training, metadata: { ...metadata, ...asked } };
  }

  /** Progress documents are read from now on (or no longer). */
  listen(listens: boolean): void {
    this.#progress = listens;
  }

  #deleteRun(): void {
    if (this.deletion?.state.kind !== 'active') return;
    const finishedAt = this.now.toISOString();
    const failure = this.deletionFailure;
    this.runDeleted ||= failure === undefined;
    this.deletion = { ...this.deletion, state: { kind: failure ? 'failed' : 'succeeded', finishedAt }, ...(failure && { failure }) };
  }

  #startPod(job: ModelJob): void {
    if (this.refusedSince !== undefined) return;
    job.pod = true;
    job.podStartedAt = this.now.toISOString();
  }

  #train(job: ModelJob): void {
    delete job.runTaken;
    if (job.task.kind === 'train') {
      this.images = Math.min(job.task.endImages, this.images + 512);
      if (this.images < job.task.endImages) return;
    }
    job.pod = false;
    this.#finish(job, 'succeeded');
  }

  #finish(job: ModelJob, state: 'succeeded' | 'failed'): void {
    job.state = state;
    job.finishedAt = this.now.toISOString();
  }

  #act(action: Action): void {
    switch (action.kind) {
      case 'createJob': {
        if (this.jobs.some((job) => job.name === action.name)) return;
        this.#checkCreation(action);
        this.#uids += 1;
        const { name, task, digest, backoffLimit, queued } = action;
        const state = queued ? 'queued' : 'active';
        const fresh = {
          state,
          inQueue: queued,
          finishedAt: '',
          deleting: false,
          expires: false,
          pod: false,
          podStartedAt: '',
          podsFailed: 0,
          podsEnded: 0,
          failure: undefined,
          fates: [],
        } as const;
        this.jobs.push({ name, task, digest, backoffLimit, uid: `job-${this.#uids}`, createdAt: this.now.toISOString(), ...fresh });
        this.created.push(task);
        return;
      }
      case 'deleteJob':
        if (this.deletion?.uid === action.uid) this.deletion = undefined;
        for (const job of this.jobs) if (job.uid === action.uid) job.deleting = true;
        return;
      case 'setSuspend':
        for (const job of this.jobs) {
          if (job.uid !== action.uid) continue;
          if (job.inQueue) throw new Error('suspend of a queued Job was written');
          job.state = action.suspend ? 'suspended' : 'active';
        }
        return;
      case 'expireJob':
        for (const job of this.jobs) if (job.uid === action.uid) job.expires = true;
        return;
      case 'deleteRun': {
        if (this.jobs.length > 0) throw new Error('the run folder was to be deleted while the training had Jobs');
        const counters = {
          podsFailed: 0,
          podsEnded: 0,
          createdAt: this.now.toISOString(),
          expires: true,
          deleting: false,
          inQueue: false,
          digest: '',
        };
        const state: JobState = { kind: 'active', pod: { kind: 'running' } };
        this.#uids += 1;
        this.deletion ??= { name: action.name, uid: `job-${this.#uids}`, task: { kind: 'deleteRun' }, state, ...counters };
        return;
      }
      case 'release':
        if (this.jobs.length > 0) throw new Error('the training was released while it had Jobs');
        this.gone = true;
    }
  }

  #checkCreation({ name, task }: Extract<Action, { kind: 'createJob' }>): void {
    const unfinished = this.jobs.filter((job) => job.deleting || (job.state !== 'succeeded' && job.state !== 'failed'));
    if (unfinished.length > 0) throw new Error(`${name} was created beside ${unfinished.map((job) => job.name).join(', ')}`);
    if (this.foreignPods.length > 0) throw new Error(`${name} was created beside a live pod`);
    const before = this.created.flatMap((created) => (created.kind === 'train' ? [created.resolution] : []));
    if (task.kind === 'train' && before.some((resolution) => resolution > task.resolution)) throw new Error(`went back to ${name}`);
    if (task.kind === 'train' && this.images >= task.endImages) throw new Error(`${name} was created though it is complete`);
  }

  #preflight(): NonNullable<Observed['preflight']> {
    const complete = this.images >= this.training.spec.totalKimg * 1000;
    return {
      version: 'v1',
      kind: 'preflight',
      state: 'Complete',
      fingerprint: 'f',
      images: this.images,
      ...(this.images > 0 && { checkpoint: { uri: 's3://c', images: this.images, digest: 'd', time: this.now.toISOString() } }),
      complete,
      ...(this.differences.length > 0 && { differences: [...this.differences] }),
      datasetBytes: { '4': 66 },
      time: this.now.toISOString(),
    };
  }

  #document({ task }: ModelJob): NonNullable<Observed['progress']>['document'] {
    const train = task.kind === 'train' ? task : { resolution: 4, endImages: 0 };
    const time = this.now.toISOString();
    const checkpoint = { uri: 's3://c', images: this.images, digest: 'd', time };
    const place = {
      resolution: train.resolution,
      images: this.images,
      phaseEndImages: train.endImages,
      lod: 0,
      tick: 1,
      minibatch: 8,
      epochs: 1,
    };
    return {
      version: 'v1',
      kind: 'training',
      state: 'Training',
      ...place,
      secondsPerKimg: 20,
      ...(this.waiting && { waiting: this.waiting }),
      checkpoint,
      attempt: this.created.length,
      time,
    };
  }

  #shown(job: ModelJob): ObservedJob {
    const { name, uid, task, digest, deleting, expires, createdAt, podsFailed, podsEnded } = job;
    const started = job.podStartedAt !== '' && { lastStartedAt: job.podStartedAt };
    const taken = job.runTaken !== undefined && { runTaken: job.runTaken };
    const counters = { podsFailed, podsEnded, ...started, ...taken, ...(job.failure && { failure: job.failure }) };
    return { name, uid, task, digest, deleting, expires, createdAt, ...counters, inQueue: job.inQueue, state: this.#state(job) };
  }

  #state(job: ModelJob): JobState {
    switch (job.state) {
      case 'queued':
      case 'suspended':
        return { kind: job.state };
      case 'active':
        return { kind: 'active', pod: this.#pod(job) };
      case 'succeeded':
      case 'failed':
        return { kind: job.state, finishedAt: job.finishedAt };
    }
  }

  #pod({ pod }: ModelJob): PodState {
    if (!pod) return { kind: 'none', since: this.refusedSince ?? this.now.toISOString(), message: 'exceeded quota' };
    return this.lostSince === undefined ? { kind: 'running' } : { kind: 'lost', since: this.lostSince };
  }
}
