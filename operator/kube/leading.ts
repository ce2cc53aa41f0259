/** The API server's client of a process that may lead: what it writes, it writes as the leader. */
import type { Kube } from './client.ts';
import { KubeError } from './errors.ts';

/**
 * `kube` whose changes are made only while `mayAct()` holds, asked at the moment of each: a process that was paused beyond its lease, and goes on
 * in the midst of a reconcile, changes nothing any more. Reading stays free.
 * @throws {KubeError} NotLeading, from changes
 */
export function writesWhile(mayAct: () => boolean, kube: Kube): Kube {
  const leading = async <T>(change: () => Promise<T>): Promise<T> => {
    if (!mayAct()) throw new KubeError('NotLeading', 'this process leads no longer: it changes nothing');
    return change();
  };
  return {
    ...kube,
    create: (resource, object, options) => leading(() => kube.create(resource, object, options)),
    apply: (resource, ref, fields, options) => leading(() => kube.apply(resource, ref, fields, options)),
    patch: (resource, ref, patch, options) => leading(() => kube.patch(resource, ref, patch, options)),
    delete: (resource, ref, options) => leading(() => kube.delete(resource, ref, options)),
  };
}
