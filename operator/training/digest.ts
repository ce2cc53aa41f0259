/** A digest of what a Job is built from, so that an edit of a stalled phase is told from any other edit. */
import { createHash } from 'node:crypto';
import { canonicalJson } from '../../crds/run.ts';

/** Fields that no Job is built from: editing them answers no failure. totalKimg reaches a Job as the task's `endImages`. */
const NO_PART_OF_A_JOB = new Set(['suspend', 'ttlSecondsAfterFinished', 'deletionPolicy', 'totalKimg', 'phases']);

/** Digest (16 hex digits) of the spec's parts that reach the Job of `task`; overrides of other resolutions are left out. */
export function taskDigest(spec: object, task: object): string {
  const parts = Object.fromEntries(Object.entries(spec).filter(([field]) => !NO_PART_OF_A_JOB.has(field)));
  const all: unknown = 'phases' in spec ? spec.phases : undefined;
  const overrides = Array.isArray(all) ? all.filter((override) => !('resolution' in task) || isOf(override, task.resolution)) : [];
  return createHash('sha256').update(canonicalJson({ parts, overrides, task })).digest('hex').slice(0, 16);
}

function isOf(override: unknown, resolution: unknown): boolean {
  return typeof override === 'object' && override !== null && 'resolution' in override && override.resolution === resolution;
}
