/** Drives one object on this machine: rounds of look, plan, act and remember, the same for a training and for a SynthesisJob. */
import type { Progress } from '../../crds/progress.ts';
import type { Action } from '../training/decision.ts';
import { carryOut } from './carry-out.ts';
import { createWake, drive, type Outcome, type Round, type StopWish } from './drive.ts';
import { createJobs, type Ended, type LocalJob, restartDelay } from './jobs.ts';
import { lastDocument } from './observe.ts';
import type { Program } from './processes.ts';
import { poll } from './progress-poll.ts';
import { type RunState, readState, writeState } from './state.ts';

/** The newest document of a kind, when it was read, and since when its figure of work done has not moved (milliseconds since 1970). */
type Heard<Document> = { readonly document: Document; readonly at: number; readonly since: number };

export type Seen<Task, Document> = { readonly jobs: readonly LocalJob<Task>[]; readonly heard: Heard<Document> | undefined };

type CreateJob<Task> = Extract<Action<Task>, { kind: 'createJob' }>;

/** What a kind of object is to the driver. */
export type Rules<Task, Document extends Progress, State extends RunState> = {
  /** Where its state is kept. */
  readonly folder: string;
  /** What is known at the start. */
  readonly first: State;
  /** The document that this kind's processes tell; undefined for any other. */
  documentOf(progress: Progress): Document | undefined;
  /** Work done as the document shows it, and how much of it is saved for good. */
  done(document: Document): { readonly shown: number; readonly saved: number };
  /** One look and what follows from it. */
  plan(
    state: State,
    seen: Seen<Task, Document>,
    now: Date,
  ): { readonly state: State; readonly actions: readonly Action<Task>[]; readonly lookAgainSeconds?: number };
  program(create: CreateJob<Task>, state: State): Program;
  settled(state: State, jobs: readonly LocalJob<Task>[]): Round['settled'];
  /** True once a process has found that the folder is this object's. */
  accepted(state: RunState): boolean;
};

export type Listener<State> = {
  /** After every round. */
  told(state: State): void;
  /** What a person should read: warnings of a trainer, what is waited for. Each is said once. */
  said(line: string): void;
};

/** `last` is how the process ended that was the last to. */
export type Result<State> = { readonly outcome: Outcome; readonly state: State; readonly last: Ended | undefined };

/** Runs it to its end, or until a stop is wished. The caller holds the folder's lock. */
export async function runObject<Task, Document extends Progress, State extends RunState>(
  rules: Rules<Task, Document, State>,
  stop: StopWish,
  listener: Listener<State>,
): Promise<Result<State>> {
  const wake = createWake();
  const said = new Set<string>();
  const sayOnce = (line: string): void => {
    if (!said.has(line)) listener.said(line);
    said.add(line);
  };
  let state = rules.first;
  let heard: Heard<Document> | undefined;
  let last: Ended | undefined;
  const hear = (progress: Progress | undefined): void => {
    const document = progress && rules.documentOf(progress);
    if (!document || (heard && document.time <= heard.document.time)) return;
    const unmoved = heard && rules.done(heard.document).shown === rules.done(document).shown;
    heard = { document, at: Date.now(), since: unmoved && heard ? heard.since : Date.now() };
    wake.poke();
  };
  const jobs = createJobs<Task>({
    now: () => new Date(),
    changed: () => wake.poke(),
    line: (_, text) => {
      // A tick is over: its figures are there to be read.
      if (text.startsWith('tick ')) polling.look();
      if (text.startsWith('warning: ')) sayOnce(text);
    },
    headway: () => (heard ? rules.done(heard.document).saved : 0),
    delay: restartDelay,
    waits: (ended) => lastDocument(ended)?.failure?.code === 'RunOwned',
  });
  const running = (): LocalJob<Task>['running'] => jobs.list().find((job) => job.running)?.running;
  const polling = poll(() => running()?.port(), hear);
  // A start that is refused says nothing about the run that is there.
  const known = readState(rules.folder);
  const guarded = known !== undefined && rules.accepted(known);
  const round = (): Round => {
    for (const job of jobs.list()) {
      const document = lastDocument(job.last);
      if (document?.failure?.code === 'RunOwned') sayOnce(`Waiting until it is free: ${document.failure.message}`);
      hear(document);
      last = job.last ?? last;
    }
    const next = rules.plan(state, { jobs: jobs.list(), heard }, new Date());
    state = next.state;
    if (stop.reason === undefined) for (const action of next.actions) carryOut(action, jobs, (create) => rules.program(create, state));
    if (!guarded || rules.accepted(state)) writeState(rules.folder, state);
    const settled = rules.settled(state, jobs.list());
    // What waits for a person is said at the end, as an error, instead of what would come next.
    if (settled !== 'stalled') listener.told(state);
    return { ...(settled && { settled }), ...(next.lookAgainSeconds !== undefined && { lookAgainSeconds: next.lookAgainSeconds }) };
  };
  try {
    return { outcome: await drive(jobs, wake, stop, round), state, last };
  } finally {
    polling.end();
  }
}
