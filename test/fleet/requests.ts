/** What an operator asked of the API server, by the audit log: which Jobs it made and how much it wrote. */
import { type AuditEvent, isDryRun } from '../harness/audit.ts';

/** Writes of one training's life are all but `progress`, `lease` and what only asked (`dryRun`). */
type RequestKind = 'read' | 'lease' | 'progress' | 'dryRun' | 'status' | 'finalizer' | 'createJob' | 'changeJob' | 'deleteJob' | 'event';

const WRITES: readonly RequestKind[] = ['status', 'finalizer', 'createJob', 'changeJob', 'deleteJob', 'event'];

export type Requests = {
  readonly counts: Readonly<Record<RequestKind, number>>;
  /** Requests that were answered with an error, by kind and code. */
  readonly refused: ReadonlyMap<string, number>;
  /** Names of the Jobs that were stored, in the order in which they were. */
  readonly jobsCreated: readonly string[];
  /**
   * Names of the Jobs whose creation the server gave up in its midst, in that order: whoever asked was killed, and the Job may have been stored
   * all the same.
   */
  readonly jobsCutOff: readonly string[];
  /** Jobs that somebody else made, or that anybody deleted. */
  readonly jobsByOthers: readonly string[];
  readonly jobsDeleted: readonly string[];
};

/** Writes, whether or not they were granted. */
export function writesOf({ counts }: Requests): number {
  return WRITES.reduce((sum, kind) => sum + counts[kind], 0);
}

export function requestsOf({ counts }: Requests): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

/** `user` is the operator. */
export async function tally(events: AsyncIterable<AuditEvent>, user: string): Promise<Requests> {
  const counts = Object.fromEntries(['read', 'lease', 'progress', 'dryRun', ...WRITES].map((kind) => [kind, 0])) as Record<
    RequestKind,
    number
  >;
  const refused = new Map<string, number>();
  const jobsCreated: string[] = [];
  const jobsCutOff: string[] = [];
  const jobsByOthers: string[] = [];
  const jobsDeleted: string[] = [];
  for await (const event of events) {
    const code = event.responseStatus?.code ?? 0;
    const isJob = event.objectRef?.resource === 'jobs' && event.objectRef.subresource === undefined && !isDryRun(event);
    const name = event.objectRef?.name ?? '';
    if (isJob && event.verb.startsWith('delete') && code < 300) jobsDeleted.push(name);
    if (isJob && event.verb === 'create' && code === 201) (event.user.username === user ? jobsCreated : jobsByOthers).push(name);
    if (event.user.username !== user) continue;
    if (isJob && event.verb === 'create' && isCutOff(code)) jobsCutOff.push(name);
    const kind = kindOf(event);
    counts[kind] += 1;
    const refusal = `${kind} ${code}`;
    if (code >= 400) refused.set(refusal, (refused.get(refusal) ?? 0) + 1);
  }
  return { counts, refused, jobsCreated, jobsCutOff, jobsByOthers, jobsDeleted };
}

/** No answer at all, or that of a server whose client has gone or whose time was over. */
const isCutOff = (code: number): boolean => code === 0 || code >= 499;

function kindOf(event: AuditEvent): RequestKind {
  const { verb, objectRef, requestURI } = event;
  if (objectRef?.resource === 'leases') return 'lease';
  if (verb === 'get' || verb === 'list' || verb === 'watch') return 'read';
  if (isDryRun(event)) return 'dryRun';
  switch (objectRef?.resource) {
    case 'events':
      return 'event';
    case 'jobs':
      return verb === 'create' ? 'createJob' : verb.startsWith('delete') ? 'deleteJob' : 'changeJob';
    case undefined:
    default:
      if (objectRef?.subresource !== 'status') return 'finalizer';
      return requestURI.includes('fieldManager=pggan-operator-progress') ? 'progress' : 'status';
  }
}
