/** The operator's log: one JSON object per line, about an object by fields that can be searched for, and without secrets. */
import { type DestinationStream, type Logger, pino } from 'pino';
import type { KubeObject, Resource } from '../kube/resource.ts';

/** Names under which a secret might be logged by accident, alone or one level down. */
const SECRETS = ['accessKey', 'secretKey', 'token', 'password', 'authorization', 'Authorization', 'client-key-data'];

export function createLogger(level: string, destination?: DestinationStream): Logger {
  const options = {
    level,
    // The pod's name and the node's pid are what the log collector knows anyway.
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: SECRETS.flatMap((name) => [key(name), `*${bracket(name)}`]), censor: '(redacted)' },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}

/** What a line about an object carries. */
export function about({ kind }: Resource<KubeObject>, { metadata }: KubeObject): Readonly<Record<string, string | undefined>> {
  return { kind, namespace: metadata?.namespace, name: metadata?.name, uid: metadata?.uid };
}

/** Names with a hyphen go into brackets. */
const key = (name: string): string => (name.includes('-') ? bracket(name) : name);
const bracket = (name: string): string => `["${name}"]`;
