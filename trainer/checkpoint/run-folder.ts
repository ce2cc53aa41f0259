/** run.json: which run a folder holds. A fingerprint decides whether a training belongs to it. */
import { z } from 'zod';
import { PgganError } from '../../crds/errors.ts';
import { canonicalJson, fingerprint } from '../../crds/run.ts';
import { checkpointRef, jsonBytes, MAX_DOCUMENT_BYTES, parseJson } from './format.ts';
import { compareNames } from './safetensors.ts';
import type { Store } from './store.ts';

/** What names a folder's use: a training's run, or a SynthesisJob's images. A folder has one of the two. */
export const RUN = 'run.json';
export const JOB = 'job.json';
const MAX_DIFFERENCES = 32;
const MAX_DIFFERENCE_LENGTH = 256;

const anyObject = z.record(z.string(), z.json());

const runRecord = z.strictObject({
  version: z.literal(1),
  fingerprint: z.string().regex(/^[0-9a-f]{64}$/),
  /** What the fingerprint is of: everything that decides the trained weights. */
  parts: anyObject,
  /** The run document as resolved, with what the fingerprint leaves out (totalKimg, cadence, threads...). */
  options: anyObject,
  /** Versions of what trains: this software, Node, the backend. */
  software: anyObject,
  /** The data, so that nobody takes phantoms for patients: label, number of images; unknown and 0 where a snapshot was imported. */
  data: z.strictObject({ label: z.enum(['phantom', 'images', 'unknown']), images: z.number().int().nonnegative() }).catchall(z.json()),
  /** Of a fork: what its spec names, and the checkpoint that was found there when the run began. Whatever the source does later, it stays. */
  source: z.strictObject({ uri: z.string(), checkpoint: checkpointRef, weightsDigest: z.string() }).optional(),
  created: z.iso.datetime(),
});
export type RunRecord = Readonly<z.infer<typeof runRecord>>;

type Plain = Readonly<Record<string, unknown>>;

/** What a training says of itself. Free of secrets: it is written as it is. */
export type RunClaim = {
  readonly parts: Plain;
  readonly options: Plain;
  readonly software: Plain;
  readonly data: { readonly label: RunRecord['data']['label']; readonly images: number } & Plain;
  readonly source?: RunRecord['source'];
};

/**
 * Makes the folder this run's, or finds that it is already. Options outside the fingerprint may have changed; run.json is brought up to date.
 * @throws {PgganError} FingerprintMismatch, listing the fields that differ with both values and the ways out
 */
export async function claimRun(
  store: Store,
  claim: RunClaim,
  now: Date,
): Promise<{ readonly kind: 'new' | 'known'; readonly record: RunRecord }> {
  const known = await readRun(store);
  if (!known) return claimNew(store, claim, now);
  refuseOther(store, known, claim);
  const record = recordOf(claim, known.created);
  if (canonicalJson(record) !== canonicalJson(known)) await store.write(RUN, [jsonBytes(record)]);
  return { kind: 'known', record };
}

/** Refuses a claim to a folder that holds another run, without writing: to be asked before owner.json is taken. @throws {PgganError} FingerprintMismatch */
export async function checkClaim(store: Store, claim: RunClaim): Promise<'new' | 'known'> {
  const known = await readRun(store);
  if (known) {
    refuseOther(store, known, claim);
    return 'known';
  }
  if (await store.head(JOB)) {
    throw new PgganError(
      'FingerprintMismatch',
      `${store.uri} holds the images of a SynthesisJob (${JOB}): give the training another name, or another output folder`,
    );
  }
  return 'new';
}

/** The run that a folder holds, or undefined. @throws {PgganError} CheckpointInvalid where run.json is damaged */
export async function readRun(store: Store): Promise<RunRecord | undefined> {
  const bytes = await store.read(RUN, MAX_DOCUMENT_BYTES);
  return bytes && parseJson(runRecord, bytes, `${RUN} in ${store.uri}`);
}

/** The fields in which two fingerprints' parts differ, each with the value found and the value wanted; at most 32, of at most 256 characters. */
export function differences(found: Plain, wanted: Plain): readonly string[] {
  const [before, after] = [flatten(found), flatten(wanted)];
  const paths = [...new Set([...before.keys(), ...after.keys()])].sort(compareNames);
  return paths
    .filter((path) => before.get(path) !== after.get(path))
    .slice(0, MAX_DIFFERENCES)
    .map((path) => `${path}: ${short(before.get(path))} in the folder, ${short(after.get(path))} wanted`.slice(0, MAX_DIFFERENCE_LENGTH));
}

async function claimNew(store: Store, claim: RunClaim, now: Date) {
  const orphans = await store.list('checkpoints/');
  if (orphans.length > 0) {
    throw new PgganError(
      'FingerprintMismatch',
      `${store.uri} holds checkpoints but no ${RUN}, so nobody can tell which run they belong to: restore ${RUN}, give the training another name, or remove the folder`,
    );
  }
  const record = recordOf(claim, now.toISOString());
  if (await store.write(RUN, [jsonBytes(record)], { kind: 'absent' })) return { kind: 'new' as const, record };
  return claimRun(store, claim, now);
}

function recordOf(claim: RunClaim, created: string): RunRecord {
  const plain: unknown = JSON.parse(JSON.stringify(claim));
  return runRecord.parse({ version: 1, fingerprint: fingerprint(claim.parts), ...(plain as RunClaim), created });
}

function refuseOther(store: Store, known: RunRecord, claim: RunClaim): void {
  if (fingerprint(known.parts) !== known.fingerprint) {
    throw new PgganError('CheckpointInvalid', `${RUN} in ${store.uri} is damaged: its fingerprint is not that of its parts`);
  }
  if (fingerprint(claim.parts) === known.fingerprint) return;
  const details = differences(known.parts, claim.parts);
  throw new PgganError(
    'FingerprintMismatch',
    `${store.uri} holds another run: ${details.join('; ')}. Give the training another name, restore these values, or delete the run folder`,
    { details },
  );
}

/** Leaves by path, as JSON. Lists of objects are keyed by the object's resolution where it has one, so that a level keeps its name. */
function flatten(value: unknown, path = '', into = new Map<string, string>()): ReadonlyMap<string, string> {
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) flatten(item, `${path}[${resolutionOf(item) ?? index}]`, into);
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, item] of Object.entries(value)) flatten(item, path === '' ? key : `${path}.${key}`, into);
  } else {
    into.set(path, JSON.stringify(value) ?? 'nothing');
  }
  return into;
}

function resolutionOf(item: unknown): number | undefined {
  return typeof item === 'object' && item !== null && 'resolution' in item && typeof item.resolution === 'number'
    ? item.resolution
    : undefined;
}

function short(value: string | undefined): string {
  if (value === undefined) return 'absent';
  return value.length > 80 ? `${value.slice(0, 77)}...` : value;
}
