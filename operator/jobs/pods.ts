/** What a pod tells: whether it has ended and how, whether its node is lost, and why it does not start. */
import { type Progress, parseProgress } from '../../crds/progress.ts';
import type { JobFailure, PodState } from '../training/observed.ts';
import { TRAINER_CONTAINER } from './pod.ts';
import type { Pod } from './wire.ts';
import { claimUri } from './volumes.ts';

/** Kubernetes replaces no pod of a lost node, whose kubelet cannot confirm the end: a minute beyond the grace is long enough to wait. */
const LOST_AFTER_SECONDS = 60;

/** True once no process of it can run any more. */
export function hasEnded({ status }: Pod): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed';
}

/** When a pod ended, as far as anyone knows: its container's own time, else its last change. */
export function endedAt(pod: Pod): string {
  const times = (pod.status?.conditions ?? []).flatMap(({ lastTransitionTime }) => lastTransitionTime ?? []);
  return terminated(pod)?.finishedAt ?? times.sort().at(-1) ?? pod.metadata?.creationTimestamp ?? '';
}

/** When its container started, ended or not; undefined before. */
export function startedAt({ status }: Pod): string | undefined {
  const { running, terminated: ended } = status?.containerStatuses?.find(({ name }) => name === TRAINER_CONTAINER)?.state ?? {};
  return running?.startedAt ?? ended?.startedAt;
}

/** Where a pod stands that has not ended. deletionTimestamp is when its grace will be over, not when its deletion was asked for. */
export function podState(pod: Pod, now: Date): Exclude<PodState, { kind: 'none' }> {
  const { deletionTimestamp } = pod.metadata ?? {};
  if (deletionTimestamp !== undefined && now.getTime() >= Date.parse(lostAt(deletionTimestamp)))
    return { kind: 'lost', since: deletionTimestamp };
  if (pod.status?.phase === 'Running') return { kind: 'running' };
  const message = whyPending(pod);
  return { kind: 'pending', ...(message !== undefined && { message }) };
}

/** When the node of a pod counts as lost whose grace is over at `deletionTimestamp`. */
export function lostAt(deletionTimestamp: string): string {
  return new Date(Date.parse(deletionTimestamp) + LOST_AFTER_SECONDS * 1000).toISOString();
}

/** How a pod failed; undefined for one that succeeded or has not ended. */
export function failureOf(pod: Pod): JobFailure | undefined {
  if (pod.status?.phase !== 'Failed') return undefined;
  const state = terminated(pod);
  const outOfMemory = state?.reason === 'OOMKilled';
  // A kubelet that lost sight of a container makes up 137; nothing is known of its end.
  const exitCode = state?.reason === 'ContainerStatusUnknown' ? undefined : state?.exitCode;
  return { ...(exitCode !== undefined && { exitCode }), outOfMemory, message: whyFailed(pod, exitCode, outOfMemory) };
}

/** True for a pod that was evicted, preempted or lost with its node: nobody's failure. */
export function isDisrupted({ status }: Pod): boolean {
  return status?.conditions?.some(({ type, status }) => type === 'DisruptionTarget' && status === 'True') ?? false;
}

/** The last document that an ended process left behind, with the URIs that hold outside of its pod. */
export function lastDocument(pod: Pod): Progress | undefined {
  const message = terminated(pod)?.message;
  const document = message === undefined ? undefined : parseProgress(message);
  return document && outsidePod(document);
}

/** A pod on a claim calls its checkpoints by where the claim is mounted. */
export function outsidePod<T extends Progress>(document: T): T;
export function outsidePod(document: Progress): Progress {
  switch (document.kind) {
    case 'preflight': {
      const { checkpoint } = document;
      return { ...document, ...(checkpoint && { checkpoint: outside(checkpoint) }) };
    }
    case 'training': {
      const { checkpoint, resumedFrom } = document;
      return {
        ...document,
        ...(checkpoint && { checkpoint: outside(checkpoint) }),
        ...(resumedFrom && { resumedFrom: outside(resumedFrom) }),
      };
    }
    case 'synthesis': {
      const { checkpoint, manifest } = document;
      return { ...document, ...(checkpoint && { checkpoint: outside(checkpoint) }), ...(manifest && { manifest: outside(manifest) }) };
    }
  }
}

function outside<T extends { readonly uri: string }>(named: T): T {
  return { ...named, uri: claimUri(named.uri) };
}

function terminated({ status }: Pod) {
  return status?.containerStatuses?.find(({ name }) => name === TRAINER_CONTAINER)?.state?.terminated;
}

/** The trainer's own words, else the end of its log, else what Kubernetes says. */
function whyFailed(pod: Pod, exitCode: number | undefined, outOfMemory: boolean): string {
  const { reason, message } = pod.status ?? {};
  const said = terminated(pod)?.message?.trim();
  const document = said === undefined ? undefined : parseProgress(said);
  if (document?.failure) return document.failure.message;
  const how = outOfMemory ? 'killed for want of memory' : exitCode === undefined ? 'its end was not seen' : `exit code ${exitCode}`;
  const log = document === undefined && said !== undefined && !said.startsWith('{') ? said.split('\n').at(-1) : undefined;
  const words = log || [reason, message].filter(Boolean).join(': ');
  return words ? `${how}: ${words.slice(0, 1024)}` : how;
}

function whyPending({ status }: Pod): string | undefined {
  const waiting = status?.containerStatuses?.find(({ name }) => name === TRAINER_CONTAINER)?.state?.waiting;
  // "ContainerCreating" and "PodInitializing" are what every pod goes through.
  if (waiting?.reason && !/^(ContainerCreating|PodInitializing)$/.test(waiting.reason))
    return [waiting.reason, waiting.message].filter(Boolean).join(': ');
  const placed = status?.conditions?.find(({ type }) => type === 'PodScheduled');
  return placed?.status === 'False' ? [placed.reason, placed.message].filter(Boolean).join(': ') : undefined;
}
