/**
 * Writes the status of an object by server-side apply: each writer says all that it wants of its own fields, and nothing of the others'.
 * It survives a second writer (each has a field manager, and fields of its own), and a view of the past: what is written holds for the very
 * object and version that was looked at, so that no successor of the same name inherits a status, least of all a final one.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Kube } from './client.ts';
import { isKubeError } from './errors.ts';
import { keyOf, type KubeObject, refOf, type Resource } from './resource.ts';

export type StatusObject = KubeObject & { readonly status?: object };

export type StatusWriter = {
  readonly kube: Pick<Kube, 'apply'>;
  readonly resource: Resource<KubeObject>;
  readonly fieldManager: string;
  /** The fields of the status, at its top level, that this writer answers for; no two writers share one. */
  readonly owns: (field: string) => boolean;
};

/**
 * 'unchanged': nothing was sent, for the object says so already. 'outdated': the object is not any more what was looked at, or is gone; who
 * writes what it has just measured drops it, who writes what it has decided looks again.
 */
export type Written = 'written' | 'unchanged' | 'outdated';

/** Makes this writer's part of the status what `status` says: fields that it owned and that are absent now vanish. */
export async function applyStatus(writer: StatusWriter, object: StatusObject, status: object, signal?: AbortSignal): Promise<Written> {
  const { kube, resource, fieldManager, owns } = writer;
  for (const field of Object.keys(status)) if (!owns(field)) throw new Error(`${fieldManager} does not own status.${field}`);
  if (isDeepStrictEqual(plain(status), ownPart(object.status ?? {}, owns))) return 'unchanged';
  const { uid, resourceVersion } = object.metadata ?? {};
  if (!uid || !resourceVersion) throw new Error(`${keyOf(object)} was never stored: it has no uid or resourceVersion`);
  try {
    // Forced: fields that a person wrote by hand into a status are the operator's to correct.
    const options = { fieldManager, force: true, subresource: 'status', signal } as const;
    await kube.apply(resource, refOf(keyOf(object)), { metadata: { uid, resourceVersion }, status }, options);
    return 'written';
  } catch (error) {
    if (isKubeError(error, 'Conflict', 'NotFound')) return 'outdated';
    throw error;
  }
}

function ownPart(status: object, owns: (field: string) => boolean): object {
  return Object.fromEntries(Object.entries(status).filter(([field]) => owns(field)));
}

/** As it would come back: without what is undefined. */
function plain(status: object): object {
  return JSON.parse(JSON.stringify(status)) as object;
}
