/** What was asked of the API server, as it wrote it down itself. */
import { readFileSync } from 'node:fs';
import type { ControlPlane } from './control-plane.ts';

export type AuditEvent = {
  readonly verb: string;
  readonly user: { readonly username: string };
  readonly requestURI: string;
  readonly objectRef?: { readonly resource: string; readonly subresource?: string; readonly namespace?: string; readonly name?: string };
  readonly responseStatus?: { readonly code: number };
};

/** All so far: an event is there before its request is answered. */
export function auditEvents({ auditLog }: Pick<ControlPlane, 'auditLog'>): readonly AuditEvent[] {
  // What stands behind the last line's end is being written.
  const lines = readFileSync(auditLog, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as AuditEvent);
}

/** Names of the objects of a kind that were really stored in a namespace, sorted. */
export function created(plane: Pick<ControlPlane, 'auditLog'>, resource: string, namespace: string): readonly string[] {
  return auditEvents(plane)
    .filter(({ verb, objectRef, responseStatus }) => verb === 'create' && objectRef?.resource === resource && responseStatus?.code === 201)
    .filter(({ objectRef, requestURI }) => objectRef?.namespace === namespace && !requestURI.includes('dryRun'))
    .map(({ objectRef }) => objectRef?.name ?? '')
    .sort();
}
