/** The requests that a store makes, each sent once: objects, pages of lists, and the steps of an upload in parts. */
import type { IncomingMessage } from 'node:http';
import { type Connection, failureOf, textOf, xmlText } from './connection.ts';
import { ServerFailure } from './failures.ts';

/** What the store keeps with an object: the digest of its content, and the write that made it. */
const DIGEST = 'x-amz-meta-pggan-sha256';
const WRITE = 'x-amz-meta-pggan-write';

export type Attributes = { readonly digest: string; readonly write: string; readonly type: string };
export type StoredObject = {
  readonly size: number;
  readonly etag: string;
  /** Absent where something else wrote the object. */
  readonly digest: string | undefined;
  readonly write: string | undefined;
};
export type ListedObject = { readonly name: string; readonly size: number; readonly etag: string; readonly modified: Date };
export type Body = { readonly parts: readonly Buffer[]; readonly sha256: string; readonly size: number };
/** Headers that let a write go through on a condition. */
export type ConditionHeaders = Readonly<Record<string, string>>;

export async function putObject(
  connection: Connection,
  name: string,
  body: Body,
  attributes: Attributes,
  condition: ConditionHeaders,
): Promise<string> {
  return etagOf(await finished(connection.send({ method: 'PUT', name, body, headers: { ...headersOf(attributes), ...condition } })));
}

/**
 * An answer to HEAD has no body that would say why: where there is none for us, the first byte is asked for, whose answer does.
 * @throws ServerFailure with a code
 */
export async function headObject(connection: Connection, name: string): Promise<StoredObject> {
  try {
    return objectOf(await finished(connection.send({ method: 'HEAD', name })));
  } catch (error) {
    if (!(error instanceof ServerFailure) || ![400, 403, 404].includes(error.status)) throw error;
    return objectOf(await finished(getRange(connection, name, 0, 1)));
  }
}

/** The bytes from `start` up to `end`, fewer where the object ends before; only while it has this ETag. */
export function getRange(connection: Connection, name: string, start: number, end: number, etag?: string): Promise<IncomingMessage> {
  const headers = { range: `bytes=${start}-${end - 1}`, ...(etag === undefined ? {} : { 'if-match': `"${etag}"` }) };
  return connection.send({ method: 'GET', name, headers });
}

export async function deleteObject(connection: Connection, name: string): Promise<void> {
  await finished(connection.send({ method: 'DELETE', name }));
}

/**
 * A page of the objects whose names start with `prefix`; `next` continues the list.
 * @throws ServerFailure for an answer that is no list, or one that cannot be continued: what is missing from a list must not count as absent
 */
export async function listPage(
  connection: Connection,
  prefix: string,
  token: string | undefined,
): Promise<{ readonly objects: readonly ListedObject[]; readonly next: string | undefined }> {
  const parameters = { 'list-type': '2', 'encoding-type': 'url', prefix, ...(token === undefined ? {} : { 'continuation-token': token }) };
  const document = await documentOf(connection.send({ method: 'GET', query: queryOf(parameters) }));
  if (!document.includes('<ListBucketResult') || !document.trimEnd().endsWith('</ListBucketResult>'))
    throw new ServerFailure(200, '', 'its answer is no whole list of objects');
  const next = xmlText(document, 'IsTruncated') === 'true' ? (xmlText(document, 'NextContinuationToken') ?? '') : undefined;
  if (next === '' || (next !== undefined && next === token))
    throw new ServerFailure(200, '', 'its list of objects goes on, but it does not say how');
  const objects = elements(document, 'Contents').map((content) => ({
    name: nameIn(document, content),
    size: Number(xmlText(content, 'Size')),
    etag: plain(xmlText(content, 'ETag') ?? ''),
    modified: new Date(xmlText(content, 'LastModified') ?? ''),
  }));
  return { objects, next };
}

/** Ids of the unfinished uploads of exactly this object. (MinIO lists no others.) */
export async function listUploads(connection: Connection, name: string): Promise<readonly string[]> {
  const document = await documentOf(
    connection.send({ method: 'GET', query: queryOf({ uploads: '', 'encoding-type': 'url', prefix: name }) }),
  );
  return elements(document, 'Upload')
    .filter((upload) => nameIn(document, upload) === name)
    .map((upload) => xmlText(upload, 'UploadId') ?? '');
}

export async function createUpload(connection: Connection, name: string, attributes: Attributes): Promise<string> {
  const document = await documentOf(connection.send({ method: 'POST', name, query: 'uploads', headers: headersOf(attributes) }));
  return xmlText(document, 'UploadId') ?? '';
}

export async function uploadPart(connection: Connection, name: string, uploadId: string, number: number, body: Body): Promise<string> {
  const query = queryOf({ partNumber: String(number), uploadId });
  return etagOf(await finished(connection.send({ method: 'PUT', name, query, body })));
}

/** The server may say that it failed after it has said 200: it answers before it is done. */
export async function completeUpload(
  connection: Connection,
  name: string,
  uploadId: string,
  body: Body,
  condition: ConditionHeaders,
): Promise<void> {
  const response = await connection.send({ method: 'POST', name, query: queryOf({ uploadId }), headers: condition, body });
  const document = await textOf(response);
  if (/<Error>/.test(document)) throw failureOf(response, document);
}

/** The document that completes an upload. */
export function completion(etags: readonly string[]): Buffer {
  const parts = etags.map((etag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>"${etag}"</ETag></Part>`);
  return Buffer.from(
    `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${parts.join('')}</CompleteMultipartUpload>`,
  );
}

export async function abortUpload(connection: Connection, name: string, uploadId: string): Promise<void> {
  await finished(connection.send({ method: 'DELETE', name, query: queryOf({ uploadId }) }));
}

/** Size and attributes of an object, from the headers of an answer about it or a range of it. */
export function objectOf({ headers }: IncomingMessage): StoredObject {
  const whole = /\/(\d+)$/.exec(headers['content-range'] ?? '')?.[1] ?? headers['content-length'];
  const [digest, write] = [headers[DIGEST], headers[WRITE]];
  return {
    size: Number(whole),
    etag: plain(headers.etag ?? ''),
    digest: typeof digest === 'string' ? digest : undefined,
    write: typeof write === 'string' ? write : undefined,
  };
}

function headersOf({ digest, write, type }: Attributes): Readonly<Record<string, string>> {
  return { 'content-type': type, [DIGEST]: digest, [WRITE]: write };
}

const etagOf = ({ headers }: IncomingMessage): string => plain(headers.etag ?? '');
const plain = (etag: string): string => etag.replace(/^"|"$/g, '');

/** The response once its body, which nobody needs, has been read: only then is the connection free. */
async function finished(answer: Promise<IncomingMessage>): Promise<IncomingMessage> {
  const response = await answer;
  for await (const _ of response);
  return response;
}

/** Lists of a thousand names take up to some megabytes. */
const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024;

async function documentOf(answer: Promise<IncomingMessage>): Promise<string> {
  return textOf(await answer, MAX_DOCUMENT_BYTES);
}

/** Contents of all elements of this name, none within another. In one pass: a pattern would look for each missing end through all the rest. */
function elements(document: string, name: string): readonly string[] {
  const [begin, end] = [`<${name}>`, `</${name}>`];
  const found: string[] = [];
  for (let from = document.indexOf(begin); from >= 0; ) {
    const to = document.indexOf(end, from);
    if (to < 0) break;
    found.push(document.slice(from + begin.length, to));
    from = document.indexOf(begin, to);
  }
  return found;
}

/** Names are asked for in the encoding of URLs, since XML cannot hold all of them; a server says whether it did so (versitygw does not). */
function nameIn(document: string, element: string): string {
  const key = xmlText(element, 'Key') ?? '';
  return xmlText(document, 'EncodingType') === 'url' ? decodeURIComponent(key.replaceAll('+', ' ')) : key;
}

/** Sorted, as signatures want it; encoded as RFC 3986 has it. */
function queryOf(parameters: Readonly<Record<string, string>>): string {
  const names = Object.keys(parameters).sort();
  return names.map((name) => (parameters[name] === '' ? name : `${name}=${encode(parameters[name] ?? '')}`)).join('&');
}

const encode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
