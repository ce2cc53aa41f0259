/**
 * Holds an object back from deletion until its cleanup has been done, as kube-rs' finalizer does.
 * It survives a crash between cleanup and removal (the object is still there, so the next process cleans up again: cleanup must bear being
 * repeated), other finalizers that come and go (each patch tests what it was made for) and a successor of the same name (it tests the uid).
 */
import type { JsonPatchOperation, Kube } from './client.ts';
import type { Result } from './controller.ts';
import { isKubeError } from './errors.ts';
import { keyOf, type KubeObject, refOf, type Resource } from './resource.ts';

export type Finalizer = {
  readonly kube: Pick<Kube, 'patch'>;
  readonly resource: Resource<KubeObject>;
  /** A qualified name, such as pggan.dev/run. */
  readonly name: string;
};

export type Lifecycle = {
  /** Called only when the finalizer is in place, so nothing that it makes can be left behind. */
  readonly reconcile: () => Promise<Result>;
  /** Called when the object is to go; when it has resolved, the object may. */
  readonly cleanup: () => Promise<void>;
};

/** Brings an object one step on in its life. After a step that changed the object, the change itself calls for the next one. */
export async function withFinalizer(finalizer: Finalizer, object: KubeObject, { reconcile, cleanup }: Lifecycle): Promise<Result> {
  const at = (object.metadata?.finalizers ?? []).indexOf(finalizer.name);
  const deleting = object.metadata?.deletionTimestamp !== undefined;
  if (deleting && at === -1) return {};
  if (deleting) {
    await cleanup();
    await patch(finalizer, object, removal(finalizer.name, at)).catch((error: unknown) => {
      if (!isKubeError(error, 'NotFound')) throw error;
    });
    return {};
  }
  if (at !== -1) return reconcile();
  await patch(finalizer, object, addition(finalizer.name, object.metadata?.finalizers ?? []));
  return {};
}

function addition(name: string, present: readonly string[]): readonly JsonPatchOperation[] {
  const path = '/metadata/finalizers';
  // A list that is not there equals null.
  if (present.length === 0)
    return [
      { op: 'test', path, value: null },
      { op: 'add', path, value: [name] },
    ];
  return [
    { op: 'test', path, value: present },
    { op: 'add', path: `${path}/-`, value: name },
  ];
}

function removal(name: string, at: number): readonly JsonPatchOperation[] {
  const path = `/metadata/finalizers/${at}`;
  return [
    { op: 'test', path, value: name },
    { op: 'remove', path },
  ];
}

async function patch({ kube, resource }: Finalizer, object: KubeObject, operations: readonly JsonPatchOperation[]): Promise<void> {
  const same: JsonPatchOperation = { op: 'test', path: '/metadata/uid', value: object.metadata?.uid };
  await kube.patch(resource, refOf(keyOf(object)), { json: [same, ...operations] });
}
