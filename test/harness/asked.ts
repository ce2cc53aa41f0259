/** What was asked of the API server, as it wrote it down itself. */
import { readFileSync } from 'node:fs';
import type { ControlPlane } from './control-plane.ts';

type AuditEvent = {
  readonly verb: string;
  readonly user: { readonly username: string };
  readonly requestURI: string;
  readonly objectRef?: { readonly resource: string; readonly subresource?: string; readonly namespace?: string; readonly name?: string };
  readonly responseStatus?: { readonly code: number };
};

type Logged = Pick<ControlPlane, 'auditLog'>;

/** All so far: an event is there before its request is answered. */
function auditEvents({ auditLog }: Logged): readonly AuditEvent[] {
  // What stands behind the last line's end is being written.
  const lines = readFileSync(auditLog, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as AuditEvent);
}

export function askedBy(plane: Logged, user: string): readonly AuditEvent[] {
  return auditEvents(plane).filter((event) => event.user.username === user);
}

/** What a user asked for and had no right to. */
export function deniedTo(plane: Logged, user: string): readonly AuditEvent[] {
  return askedBy(plane, user).filter(({ responseStatus }) => responseStatus?.code === 403);
}

/** Names of the objects of a kind that were really stored in a namespace, sorted. */
export function created(plane: Logged, resource: string, namespace: string): readonly string[] {
  return auditEvents(plane)
    .filter(({ verb, objectRef, responseStatus }) => verb === 'create' && objectRef?.resource === resource && responseStatus?.code === 201)
    .filter(({ objectRef, requestURI }) => objectRef?.namespace === namespace && !requestURI.includes('dryRun'))
    .map(({ objectRef }) => objectRef?.name ?? '')
    .sort();
}
