/** What the API server, or the way to it, may answer instead of a result: one code per kind of trouble, never a message to be parsed. */
import { asError } from '../../crds/errors.ts';

/**
 * `Dropped` is a connection that broke before the answer was complete: a write may have happened. `Malformed` is an answer that is not what
 * the API promises. `NotLeading` is a change that was not asked for, since another process
 * may lead (leading.ts). `WebhookAway` is an admission webhook (failurePolicy Fail) that the server cannot reach. The others are reasons of the API (metav1.StatusReason), `Unavailable` stands for every other status of 500 and above.
 */
export type KubeErrorCode =
  | 'AlreadyExists'
  | 'BadRequest'
  | 'Conflict'
  | 'Dropped'
  | 'Forbidden'
  | 'Gone'
  | 'Invalid'
  | 'Malformed'
  | 'MethodNotAllowed'
  | 'NotFound'
  | 'NotLeading'
  | 'Timeout'
  | 'TooManyRequests'
  | 'Unauthorized'
  | 'Unavailable'
  | 'UnsupportedMediaType'
  | 'WebhookAway';

export type KubeErrorDetails = {
  /** HTTP status; absent where there was no answer. */
  readonly status?: number;
  /** How long the server asks to be left alone. */
  readonly retryAfterSeconds?: number;
  /** The fields of a server-side apply that belong to other field managers. */
  readonly conflicts?: readonly string[];
  readonly cause?: unknown;
};

export class KubeError extends Error {
  override readonly name = 'KubeError';
  readonly code: KubeErrorCode;
  readonly status: number | undefined;
  readonly retryAfterSeconds: number | undefined;
  readonly conflicts: readonly string[];

  constructor(code: KubeErrorCode, message: string, { status, retryAfterSeconds, conflicts = [], cause }: KubeErrorDetails = {}) {
    super(message, { cause });
    this.code = code;
    this.status = status;
    this.retryAfterSeconds = retryAfterSeconds;
    this.conflicts = conflicts;
  }
}

/** The `Status` object of the API, as far as it is read. */
export type ApiStatus = {
  readonly code?: number;
  readonly reason?: string;
  readonly message?: string;
  readonly details?: {
    readonly retryAfterSeconds?: number;
    readonly causes?: readonly { readonly reason?: string; readonly message?: string; readonly field?: string }[];
  };
};

/** True for a KubeError of one of these codes. */
export function isKubeError(error: unknown, ...codes: readonly KubeErrorCode[]): error is KubeError {
  return error instanceof KubeError && codes.includes(error.code);
}

/** Any caught value as a KubeError: what is none is an answer that nobody foresaw. */
export function asKubeError(thrown: unknown): KubeError {
  return thrown instanceof KubeError ? thrown : new KubeError('Malformed', asError(thrown).message, { cause: thrown });
}

/** An answer that is not 2xx, or an ERROR line of a watch, as an error. `what` names the request. */
export function errorOfStatus(what: string, httpStatus: number, status: ApiStatus, retryAfter?: string): KubeError {
  const code = webhookIsAway(httpStatus, status) ? 'WebhookAway' : codeOf(httpStatus, status.reason);
  const seconds = status.details?.retryAfterSeconds ?? secondsOf(retryAfter);
  const causes = status.details?.causes ?? [];
  return new KubeError(code, `${what}: ${httpStatus} ${status.reason ?? code}: ${status.message ?? 'no message'}`, {
    status: httpStatus,
    ...(seconds !== undefined && { retryAfterSeconds: seconds }),
    conflicts: causes.flatMap(({ reason, field }) => (reason === 'FieldManagerConflict' && field !== undefined ? [field] : [])),
  });
}

/** The API server answers 500 InternalError, as to everything that goes wrong in it; only its words tell (apiserver's webhook errors). */
function webhookIsAway(httpStatus: number, { message }: ApiStatus): boolean {
  return httpStatus === 500 && message !== undefined && /failed (calling|to call) webhook/.test(message);
}

function codeOf(status: number, reason: string | undefined): KubeErrorCode {
  switch (status) {
    case 400:
      return 'BadRequest';
    case 401:
      return 'Unauthorized';
    case 403:
      return 'Forbidden';
    case 404:
      return 'NotFound';
    case 405:
      return 'MethodNotAllowed';
    case 408:
    case 504:
      return 'Timeout';
    case 409:
      return reason === 'AlreadyExists' ? 'AlreadyExists' : 'Conflict';
    case 410:
      return 'Gone';
    case 415:
      return 'UnsupportedMediaType';
    case 422:
      return 'Invalid';
    case 429:
      return 'TooManyRequests';
    default:
      return status >= 500 ? 'Unavailable' : 'BadRequest';
  }
}

/** Retry-After in seconds; the API server writes no dates. */
function secondsOf(retryAfter: string | undefined): number | undefined {
  const seconds = Number(retryAfter);
  return retryAfter !== undefined && Number.isFinite(seconds) && seconds >= 0 ? seconds : undefined;
}
