/** What the API server says to Jobs before they are made, and what it said when they were: kept in memory, asked again after a restart. */
import type { Kube } from '../kube/client.ts';
import { asKubeError, isKubeError } from '../kube/errors.ts';
import { JOBS, keyOf } from '../kube/resource.ts';
import { isRefusal } from './enact.ts';
import type { Job } from './wire.ts';

/** Of one object. */
export type Memory = {
  /** Why pods of a Job will be refused, by uid of the Job. */
  readonly refusals: Map<string, string>;
  /** Jobs of others under names of ours, by key. They have no label by which they would be listed. */
  readonly foreign: Map<string, Job>;
  /** What the server said when the Job that deletes the run folder was to be created. */
  deletionRefused?: string;
  /** True after a Job was refused: all are tried before the next is made. */
  suspicious: boolean;
};

/** Memories by key of the object. */
export type Memories = { of(key: string): Memory; forget(key: string): void };

export function createMemories(): Memories {
  const all = new Map<string, Memory>();
  return {
    of(key) {
      const known = all.get(key) ?? { refusals: new Map(), foreign: new Map(), suspicious: false };
      all.set(key, known);
      return known;
    },
    forget: (key) => void all.delete(key),
  };
}

/** What the server would say to the first Job that it would not have; undefined where it would have all. Nothing is stored. */
export async function refusalOf(kube: Pick<Kube, 'create'>, jobs: readonly Job[], signal: AbortSignal): Promise<string | undefined> {
  for (const job of jobs) {
    try {
      await kube.create(JOBS, job, { dryRun: true, signal });
    } catch (error) {
      if (isKubeError(error, 'AlreadyExists')) continue;
      if (isRefusal(error)) return `Job ${job.metadata?.name} would be refused: ${asKubeError(error).message}`;
      throw error;
    }
  }
  return undefined;
}

/** Looks at the Jobs of others again: those that are gone are forgotten. */
export async function lookAtForeign(kube: Pick<Kube, 'get'>, { foreign }: Memory, signal: AbortSignal): Promise<void> {
  for (const [key, job] of foreign) {
    const { namespace = '', name = '' } = job.metadata ?? {};
    const there = await kube.get(JOBS, { namespace, name }, { signal }).catch((error: unknown) => {
      if (isKubeError(error, 'NotFound')) return undefined;
      throw error;
    });
    if (there?.metadata?.uid !== job.metadata?.uid) foreign.delete(key);
  }
}

export function rememberForeign({ foreign }: Memory, job: Job): void {
  foreign.set(keyOf(job), job);
}
