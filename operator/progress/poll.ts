/**
 * Asks running trainer pods for their progress, all of them in turn, within one budget of requests per second.
 * It survives pods that are silent (each costs two seconds and nobody waits for it), and never asks what is not ours: only pods that run, have
 * an address of their own and belong to Jobs of ours.
 */
import { asError } from '../../crds/errors.ts';
import type { Clock } from '../kube/clock.ts';
import { sleep } from '../kube/clock.ts';
import type { Pod } from '../kube/resource.ts';
import type { Progress } from '../../crds/progress.ts';
import type { Hearing } from './heard.ts';

export type PollOptions = {
  readonly clock: Clock;
  /** Pods of Jobs of ours. */
  readonly pods: () => readonly Pod[];
  readonly hearing: Hearing;
  readonly port: number;
  readonly read: (pod: Pod, port: number) => Promise<Progress | undefined>;
  /** Something new was heard about the object that a pod works for. */
  readonly told: (pod: Pod) => void;
  readonly onError: (error: Error) => void;
  readonly leastSeconds?: number;
};

const PER_SECOND = 20;
const LEAST_SECONDS = 15;

/** How often each of so many pods is asked. */
export function intervalSeconds(pods: number, leastSeconds = LEAST_SECONDS): number {
  return Math.max(leastSeconds, pods / PER_SECOND);
}

/** Polls until `signal` is aborted. */
export async function poll(options: PollOptions, signal: AbortSignal): Promise<void> {
  const { clock, hearing, leastSeconds } = options;
  const askedAt = new Map<string, number>();
  while (!signal.aborted) {
    const pods = options.pods().filter(answers);
    const uids = new Set(pods.map(uidOf));
    hearing.keep(uids);
    for (const uid of askedAt.keys()) if (!uids.has(uid)) askedAt.delete(uid);
    const interval = intervalSeconds(pods.length, leastSeconds);
    for (const pod of pods) {
      if (signal.aborted) return;
      if (clock.seconds() - (askedAt.get(uidOf(pod)) ?? -Infinity) < interval) continue;
      askedAt.set(uidOf(pod), clock.seconds());
      void ask(options, pod);
      await sleep(clock, 1 / PER_SECOND, signal);
    }
    await sleep(clock, 1, signal);
  }
}

async function ask({ read, port, hearing, told, onError }: PollOptions, pod: Pod): Promise<void> {
  try {
    const progress = await read(pod, port);
    if (progress) hearing.answered(uidOf(pod), progress);
    else hearing.silent(uidOf(pod));
    told(pod);
  } catch (error) {
    onError(asError(error));
  }
}

/** A pod in its node's own network could make the operator ask the node itself. */
function answers({ spec, status, metadata }: Pod): boolean {
  return status?.phase === 'Running' && Boolean(status.podIP) && !spec?.hostNetwork && metadata?.deletionTimestamp === undefined;
}

const uidOf = ({ metadata }: Pod): string => metadata?.uid ?? '';
