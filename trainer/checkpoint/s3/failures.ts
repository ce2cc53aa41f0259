/** What a failed request to an object store means: what to try again, what is an answer, and what a person has to mend. */
import { asError } from '../../../crds/errors.ts';

/** Where a request went, for messages. Holds no secret. */
export type Target = { readonly endpoint: string; readonly region: string; readonly bucket: string; readonly credentials: string };

export type Diagnosis =
  /** The server has answered the question: there is no such object, upload or range, or the condition does not hold. */
  | { readonly kind: 'answer'; readonly answer: Answer }
  /** Likely to be over soon. */
  | { readonly kind: 'passing'; readonly reason: string }
  | { readonly kind: 'full'; readonly reason: string }
  | { readonly kind: 'refused'; readonly reason: string };

export type Answer = 'noObject' | 'noUpload' | 'emptyRange' | 'conditionFailed';

/** A server's error document; `code` is empty where the answer had no body. */
export class ServerFailure extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const ANSWERS: Readonly<Record<string, Answer>> = {
  NoSuchKey: 'noObject',
  NoSuchUpload: 'noUpload',
  InvalidRange: 'emptyRange',
  PreconditionFailed: 'conditionFailed',
};

/** Busy or starting servers, and bytes that changed on the way. 5xx, 408 and 429 pass whatever their code. */
const PASSING = new Set([
  'SlowDown',
  'SlowDownRead',
  'SlowDownWrite',
  'RequestTimeout',
  'IncompleteBody',
  'BadDigest',
  'XAmzContentSHA256Mismatch',
  'ConditionalRequestConflict',
  'OperationAborted',
]);

/** Full disks and quotas, in the words of MinIO, versitygw and others. */
const FULL = new Set([
  'XMinioStorageFull',
  'XMinioAdminBucketQuotaExceeded',
  'QuotaExceeded',
  'InsufficientStorage',
  'InsufficientCapacity',
]);

/** A file system's own words, which MinIO passes on as an InternalError where a disk fills up between two of its looks at the free space. */
const FULL_WORDS = /no space left on device|disk quota exceeded/i;

/** Codes of refusals; what a person has to look at. */
const REMEDIES: Readonly<Record<string, (target: Target) => string>> = {
  InvalidAccessKeyId: ({ credentials }) => `the access key is not known there: check accessKey in ${credentials}`,
  XAdminUserNotFound: ({ credentials }) => `the access key is not known there: check accessKey in ${credentials}`,
  SignatureDoesNotMatch: ({ credentials }) => `the secret key is not that of the access key: check secretKey in ${credentials}`,
  ExpiredToken: ({ credentials }) => `the credentials have expired: renew those in ${credentials}`,
  InvalidToken: ({ credentials }) => `the session token is not valid, or has expired: renew the credentials in ${credentials}`,
  InvalidTokenId: ({ credentials }) => `the session token is not valid, or has expired: renew the credentials in ${credentials}`,
  RequestTimeTooSkewed: () => 'the clocks of this machine and of the server differ by more than 15 minutes: set them by NTP',
  AccessDenied: ({ credentials }) => `the policy of the access key in ${credentials} does not allow this`,
  AllAccessDisabled: ({ credentials }) => `the policy of the access key in ${credentials} does not allow this`,
  NoSuchBucket: ({ bucket }) => `there is no bucket '${bucket}': create it, or correct the address`,
  InvalidBucketName: ({ bucket }) => `'${bucket}' cannot be the name of a bucket: correct the address`,
  AuthorizationHeaderMalformed: ({ region }) => `the store is not in region '${region}': set spec.store.region or AWS_REGION`,
  InvalidRegion: ({ region }) => `the store is not in region '${region}': set spec.store.region or AWS_REGION`,
  PermanentRedirect: ({ region }) => `the bucket is not in region '${region}': set spec.store.region and the endpoint of the bucket`,
};

/** Errors of sockets, names and TLS by the system's code. */
const SYSTEM: Readonly<Record<string, { readonly kind: 'passing' | 'refused'; readonly reason: string }>> = {
  ECONNREFUSED: { kind: 'passing', reason: 'nothing listens there: check that the server runs, and the endpoint’s port' },
  ECONNRESET: { kind: 'passing', reason: 'the connection was cut' },
  ECONNABORTED: { kind: 'passing', reason: 'the connection was cut' },
  EPIPE: { kind: 'passing', reason: 'the connection was cut' },
  ERR_STREAM_PREMATURE_CLOSE: { kind: 'passing', reason: 'the connection was cut' },
  HPE_INVALID_CONSTANT: { kind: 'refused', reason: 'what answers there does not speak HTTP: check the endpoint’s port' },
  ETIMEDOUT: { kind: 'passing', reason: 'no answer in time: check the endpoint, and firewalls and network policies between' },
  EHOSTUNREACH: { kind: 'passing', reason: 'there is no way to that host: check the network' },
  ENETUNREACH: { kind: 'passing', reason: 'there is no way to that network: check the network' },
  ENOTFOUND: { kind: 'passing', reason: 'the host’s name is not known to DNS: check the endpoint' },
  EAI_AGAIN: { kind: 'passing', reason: 'DNS does not answer: check the endpoint and this machine’s resolver' },
  EPROTO: { kind: 'refused', reason: 'what answers there does not speak TLS: use http:// in the endpoint, or its TLS port' },
  ERR_SSL_WRONG_VERSION_NUMBER: {
    kind: 'refused',
    reason: 'what answers there does not speak TLS: use http:// in the endpoint, or its TLS port',
  },
  ERR_TLS_CERT_ALTNAME_INVALID: {
    kind: 'refused',
    reason: 'its certificate is for another host name: use a name that the certificate holds',
  },
  CERT_HAS_EXPIRED: { kind: 'refused', reason: 'its certificate has expired, or this machine’s clock is wrong' },
  CERT_NOT_YET_VALID: { kind: 'refused', reason: 'its certificate is not valid yet, or this machine’s clock is wrong' },
};

/** TLS errors that all say: nobody here trusts who signed this. */
const UNTRUSTED = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
]);

/** Judges what a request threw. */
export function diagnose(thrown: unknown, target: Target): Diagnosis {
  const error = asError(thrown);
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (error instanceof ServerFailure) return ofServer(error, target);
  if (UNTRUSTED.has(code)) {
    const remedy = 'name that authority in spec.store.caConfigMapRef, or its PEM file in PGGAN_STORE_CA';
    return { kind: 'refused', reason: `its certificate is signed by an authority that is not trusted here: ${remedy} (${code})` };
  }
  const known = SYSTEM[code];
  if (known) return { kind: known.kind, reason: `${known.reason} (${code})` };
  return { kind: 'refused', reason: `the request failed: ${error.message}${code ? ` (${code})` : ''}` };
}

function ofServer({ status, code, message }: ServerFailure, target: Target): Diagnosis {
  const answer = ANSWERS[code];
  if (answer) return { kind: 'answer', answer };
  const said = `${status}${code ? ` ${code}` : ''}${message ? `: ${message}` : ''}`;
  if (FULL.has(code) || status === 507 || FULL_WORDS.test(message)) return { kind: 'full', reason: `there is no room left (${said})` };
  if (PASSING.has(code) || status >= 500 || status === 408 || status === 429) {
    return { kind: 'passing', reason: `the server is busy or in trouble (${said})` };
  }
  const remedy = REMEDIES[code]?.(target);
  if (remedy) return { kind: 'refused', reason: `${remedy} (${said})` };
  if (/HTTP request to an HTTPS server/i.test(message))
    return { kind: 'refused', reason: `it speaks TLS: use https:// in the endpoint (${said})` };
  return { kind: 'refused', reason: `the server refused the request (${said}): check that the endpoint is that of an S3 store` };
}
