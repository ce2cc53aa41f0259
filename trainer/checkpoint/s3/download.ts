/** Downloads an object in ranges, several at once; a cut connection costs what was under way, and every byte is verified. */
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { PgganError } from '../../../crds/errors.ts';
import { eachOf } from '../each-of.ts';
import type { Connection } from './connection.ts';
import { CHUNK_BYTES, contentDigest, refuseTooLarge } from './content.ts';
import { Answered, type Deed, type Reach } from './reach.ts';
import { getRange, headObject, objectOf, type StoredObject } from './requests.ts';

export type Downloader = { readonly connection: Connection; readonly reach: Reach };

/** Takes an object as it comes, in no order. */
export type Sink = {
  /** Memory for the bytes from `start`. */
  space(start: number, length: number): Buffer;
  /** The memory is filled. */
  filled(start: number, bytes: Buffer): Promise<void>;
};

const AT_ONCE = 4;
/** An object that is replaced while it is read is read again, so often. */
const MAX_CHANGES = 5;
/** Answers in a row that begin and then bring no byte. */
const MAX_WITHOUT_BYTE = 5;

/**
 * Fills the sink that is opened for the object's size. @returns the object, or undefined where there is none
 * @throws {PgganError} CheckpointInvalid where the bytes are not those that were written
 */
export async function download(
  downloader: Downloader,
  key: string,
  name: string,
  open: (size: number) => Sink,
): Promise<StoredObject | undefined> {
  for (let changes = 0; ; changes++) {
    try {
      return await downloadOnce(downloader, { verb: 'read', key, method: 'GET' }, name, open);
    } catch (error) {
      if (!(error instanceof Answered)) throw error;
      if (error.answer === 'noObject') return undefined;
      if (changes === MAX_CHANGES)
        throw new PgganError('StoreUnavailable', `${key} is replaced faster than it can be read`, { cause: error });
    }
  }
}

async function downloadOnce(
  { connection, reach }: Downloader,
  deed: Deed,
  name: string,
  open: (size: number) => Sink,
): Promise<StoredObject> {
  const first = await reach(deed, () => start(connection, name));
  const { object } = first;
  const sink = opened(first.response, () => {
    refuseTooLarge(object.size, deed.key);
    return open(object.size);
  });
  const starts = Array.from({ length: Math.max(1, Math.ceil(object.size / CHUNK_BYTES)) }, (_, index) => index * CHUNK_BYTES);
  const digests: string[] = [];
  let unread: IncomingMessage | undefined = first.response;
  await eachOf(starts, AT_ONCE, async (from, index) => {
    const space = sink.space(from, Math.min(CHUNK_BYTES, object.size - from));
    const ask = async (filled: number): Promise<IncomingMessage> => {
      const response = index === 0 ? unread : undefined;
      if (response) unread = undefined;
      return response ?? getRange(connection, name, from + filled, from + space.length, object.etag);
    };
    await fill(space, ask, (attempt) => reach(deed, attempt), `${deed.key} in bucket ${connection.bucket}`);
    digests[index] = createHash('sha256').update(space).digest('hex');
    await sink.filled(from, space);
  });
  verify(object, digests, deed.key);
  return object;
}

/** Where nobody takes the object, its answer is not waited for either. */
function opened(response: IncomingMessage | undefined, open: () => Sink): Sink {
  try {
    return open();
  } catch (error) {
    response?.destroy();
    throw error;
  }
}

/**
 * Fills `space` by as many answers as it takes; each goes on where the one before was cut. A server that finds damage on its disk can only
 * break off, since it has begun to answer: one that does so at the same byte again and again has found some.
 */
async function fill(
  space: Buffer,
  ask: (filled: number) => Promise<IncomingMessage>,
  persist: (attempt: () => Promise<void>) => Promise<void>,
  what: string,
): Promise<void> {
  if (space.length === 0) return;
  let filled = 0;
  let withoutByte = 0;
  await persist(async () => {
    const response = await ask(filled);
    const before = filled;
    try {
      for await (const chunk of response as AsyncIterable<Buffer>) filled += chunk.copy(space, filled);
      if (filled < space.length) throw Object.assign(new Error('the answer ended early'), { code: 'ECONNRESET' });
    } catch (cause) {
      withoutByte = filled > before ? 0 : withoutByte + 1;
      if (withoutByte < MAX_WITHOUT_BYTE) throw cause;
      throw new PgganError('CheckpointInvalid', `${what} is damaged in the store: the server breaks off at the same byte every time`, {
        cause,
      });
    }
  });
}

/** The object's first range, or its head where it has no bytes to ask for. */
async function start(
  connection: Connection,
  name: string,
): Promise<{ readonly object: StoredObject; readonly response?: IncomingMessage }> {
  const response = await getRange(connection, name, 0, CHUNK_BYTES).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'InvalidRange') return undefined;
    throw error;
  });
  return response ? { object: objectOf(response), response } : { object: await headObject(connection, name) };
}

/** What was written by something else, or in chunks of another size, has no digest to compare with; its readers have theirs. */
function verify(object: StoredObject, digests: readonly string[], key: string): void {
  const { digest: written } = object;
  const got = contentDigest(digests);
  if (written === undefined || written === got || suffix(written) !== suffix(got)) return;
  throw new PgganError(
    'CheckpointInvalid',
    `${key} is damaged in the store: its content has SHA-256 ${got.slice(0, 12)}..., ${written.slice(0, 12)}... was written`,
  );
}

const suffix = (digest: string): string => digest.slice(64);
