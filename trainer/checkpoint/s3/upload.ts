/** Uploads content so that readers see the old object or the new one: in one request, or in parts that become an object by the last request. */
import { randomBytes } from 'node:crypto';
import { eachOf } from '../each-of.ts';
import type { Condition } from '../store.ts';
import type { Connection } from './connection.ts';
import { CHUNK_BYTES, type Content, contentDigest, sha256 } from './content.ts';
import { Answered, type Deed, type Reach, unless } from './reach.ts';
import {
  type Attributes,
  abortUpload,
  completeUpload,
  completion,
  type ConditionHeaders,
  createUpload,
  headObject,
  putObject,
  type StoredObject,
  uploadPart,
} from './requests.ts';
import type { Unfinished } from './unfinished.ts';

export type Uploader = {
  readonly connection: Connection;
  readonly reach: Reach;
  readonly unfinished: Unfinished;
};

export type Destination = { readonly key: string; readonly name: string };

/** Parts on their way at once: enough to fill a fast network, few enough not to crowd a small server. */
const AT_ONCE = 4;
/** An upload that somebody else removes is begun again so often. */
const RESTARTS = 3;

/**
 * Writes the object, or returns undefined where the condition does not hold. Each write carries a name of its own: where the condition fails,
 * or the upload is gone, because an earlier attempt did go through and only its answer was lost, the object tells.
 */
export async function upload(
  uploader: Uploader,
  destination: Destination,
  content: Content,
  condition?: Condition,
): Promise<Pick<StoredObject, 'size' | 'etag'> | undefined> {
  const write = randomBytes(12).toString('hex');
  const attributes = { digest: contentDigest(content.digests), write, type: typeOf(destination.key) };
  try {
    return content.digests.length === 1
      ? await uploadWhole(uploader, destination, content, attributes, headersOf(condition))
      : await uploadInParts(uploader, destination, content, attributes, headersOf(condition));
  } catch (error) {
    if (!(error instanceof Answered)) throw error;
    const found = await current(uploader, destination);
    if (found?.write === write) return found;
    // A version of an object that is gone is answered by 'no such object'.
    if (condition && (error.answer === 'conditionFailed' || error.answer === 'noObject')) return undefined;
    throw error;
  }
}

async function uploadWhole(
  { connection, reach }: Uploader,
  to: Destination,
  content: Content,
  attributes: Attributes,
  condition: ConditionHeaders,
) {
  const body = { parts: await content.chunk(0), sha256: content.digests[0] ?? '', size: content.size };
  const etag = await reach(deed(to, 'PUT'), () => putObject(connection, to.name, body, attributes, condition));
  return { size: content.size, etag };
}

async function uploadInParts(uploader: Uploader, to: Destination, content: Content, attributes: Attributes, condition: ConditionHeaders) {
  const { unfinished } = uploader;
  const mark = await unfinished.begin(to.name);
  let clean = false;
  try {
    for (let left = RESTARTS; ; left--) {
      const id = await uploader.reach(deed(to, 'POST'), () => createUpload(uploader.connection, to.name, attributes));
      try {
        await uploadParts(uploader, to, id, content, condition);
        clean = true;
        return await current(uploader, to);
      } catch (error) {
        const gone = error instanceof Answered && error.answer === 'noUpload';
        clean = gone || (await aborted(uploader, to, id));
        if (!gone || left === 0 || (await current(uploader, to))?.write === attributes.write) throw error;
      }
    }
  } finally {
    // An upload that could not be aborted is left to the next process, which finds the mark.
    if (clean) await unfinished.end(mark);
  }
}

async function uploadParts({ connection, reach }: Uploader, to: Destination, id: string, content: Content, condition: ConditionHeaders) {
  const etags: string[] = [];
  await eachOf(content.digests, AT_ONCE, async (digest, index) => {
    const parts = await content.chunk(index);
    const body = { parts, sha256: digest, size: Math.min(CHUNK_BYTES, content.size - index * CHUNK_BYTES) };
    etags[index] = await reach(deed(to, 'PUT'), () => uploadPart(connection, to.name, id, index + 1, body));
  });
  const document = completion(etags);
  const body = { parts: [document], sha256: sha256([document]), size: document.length };
  await reach(deed(to, 'POST'), () => completeUpload(connection, to.name, id, body, condition));
}

function current({ connection, reach }: Uploader, to: Destination): Promise<StoredObject | undefined> {
  return unless(
    'noObject',
    reach({ verb: 'read', key: to.key, method: 'HEAD' }, () => headObject(connection, to.name)),
  );
}

/** Whether the upload is gone; tried once, because the failure that led here may last. */
async function aborted({ connection }: Uploader, to: Destination, id: string): Promise<boolean> {
  try {
    await abortUpload(connection, to.name, id);
    return true;
  } catch {
    return false;
  }
}

const deed = ({ key }: Destination, method: string): Deed => ({ verb: 'write', key, method });

function headersOf(condition: Condition | undefined): ConditionHeaders {
  switch (condition?.kind) {
    case undefined:
      return {};
    case 'absent':
      return { 'if-none-match': '*' };
    case 'version':
      return { 'if-match': `"${condition.version}"` };
  }
}

/** So that a browser of buckets shows pictures and texts instead of offering them for download. */
const TYPES: Readonly<Record<string, string>> = { png: 'image/png', json: 'application/json', jsonl: 'text/plain', txt: 'text/plain' };

function typeOf(key: string): string {
  return TYPES[key.slice(key.lastIndexOf('.') + 1)] ?? 'application/octet-stream';
}
