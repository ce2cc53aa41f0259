/** Reads the audit log of an API server: what really was asked of it, by whom, and what it answered. */
import { createReadStream } from 'node:fs';

/** An audit.k8s.io/v1 Event at level Metadata, as far as it is read. */
export type AuditEvent = {
  readonly verb: string;
  readonly user: { readonly username: string };
  readonly requestURI: string;
  readonly requestReceivedTimestamp: string;
  readonly objectRef?: { readonly resource: string; readonly subresource?: string; readonly namespace?: string; readonly name?: string };
  readonly responseStatus?: { readonly code: number };
  /** What admission found, by its plugins. */
  readonly annotations?: Readonly<Record<string, string>>;
};

type Logged = { readonly auditLog: string };

/** All events so far, in the order of their ends: one is there before its request is answered. The log of a fleet is larger than a string may be. */
export async function* auditEvents({ auditLog }: Logged): AsyncGenerator<AuditEvent, void> {
  // What stands behind the last line's end is being written.
  let rest = '';
  for await (const chunk of createReadStream(auditLog, 'utf8')) {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) yield JSON.parse(line) as AuditEvent;
  }
}

/** True for a request that only asked what the server would say. */
export const isDryRun = ({ requestURI }: AuditEvent): boolean => requestURI.includes('dryRun=');

export async function askedBy(plane: Logged, user: string): Promise<readonly AuditEvent[]> {
  const asked: AuditEvent[] = [];
  for await (const event of auditEvents(plane)) if (event.user.username === user) asked.push(event);
  return asked;
}

/** What a user asked for and had no right to. */
export async function deniedTo(plane: Logged, user: string): Promise<readonly AuditEvent[]> {
  return (await askedBy(plane, user)).filter(({ responseStatus }) => responseStatus?.code === 403);
}

/** Names of the objects of a kind that were really stored in a namespace, sorted. */
export async function created(plane: Logged, resource: string, namespace: string): Promise<readonly string[]> {
  const names: string[] = [];
  for await (const event of auditEvents(plane)) {
    const { verb, objectRef, responseStatus } = event;
    const stored = verb === 'create' && responseStatus?.code === 201 && !isDryRun(event);
    if (stored && objectRef?.resource === resource && objectRef.namespace === namespace) names.push(objectRef.name ?? '');
  }
  return names.sort();
}
