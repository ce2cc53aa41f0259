/** Reads the audit log of an API server: what really was asked of it, by whom, and what it answered. */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';

/** An audit.k8s.io/v1 Event at level Metadata, as far as it is read. */
export type AuditEvent = {
  readonly verb: string;
  readonly user: { readonly username: string };
  readonly requestURI: string;
  readonly requestReceivedTimestamp: string;
  readonly objectRef?: { readonly resource: string; readonly subresource?: string; readonly namespace?: string; readonly name?: string };
  readonly responseStatus?: { readonly code: number };
};

/** All events so far, in the order of their ends. The log of a fleet is larger than a string may be. */
export async function* auditEvents({ auditLog }: { readonly auditLog: string }): AsyncGenerator<AuditEvent, void> {
  for await (const line of createInterface({ input: createReadStream(auditLog) })) yield JSON.parse(line) as AuditEvent;
}

/** True for a request that only asked what the server would say. */
export const isDryRun = ({ requestURI }: AuditEvent): boolean => requestURI.includes('dryRun=');
