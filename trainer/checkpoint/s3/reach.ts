/** Makes requests until they succeed, are answered, or a person has to act; composes the errors that say what was tried. */
import { type ErrorCode, PgganError } from '../../../crds/errors.ts';
import type { Connection } from './connection.ts';
import { type Answer, diagnose } from './failures.ts';
import { persist, type RetryTime, type Tried } from './retry.ts';

/** The server's answer where an object was asked for: there is none, or the condition does not hold. A failure where nobody expects it. */
export class Answered extends PgganError {
  readonly answer: Answer;

  constructor(answer: Answer, message: string, cause: unknown) {
    super('StoreUnavailable', message, { cause });
    this.answer = answer;
  }
}

/** What is done, for messages: `write`, `checkpoints/000000000016/state.json`, `PUT`. */
export type Deed = { readonly verb: string; readonly key: string; readonly method: string };

/** @throws {PgganError} StoreRefused and StoreFull at once, StoreUnavailable when patience is out; Answered */
export type Reach = <T>(deed: Deed, request: () => Promise<T>) => Promise<T>;

/** A server that has answered before is restarting, most likely; one that never has may not be the right one. */
const PATIENCE_SECONDS = { known: 120, unknown: 15, hurried: 3 };

/** @param hurried whether somebody waits for this process to end, and a failure now is better than success in a minute */
export function reaching(connection: Connection, uri: string, time: RetryTime, hurried: () => boolean): Reach {
  let known = false;
  return async (deed, request) => {
    const failed = (code: ErrorCode, reason: string, cause?: unknown): PgganError =>
      new PgganError(code, sentence(connection, uri, deed, reason), { cause });
    const patience = (): number => PATIENCE_SECONDS[hurried() ? 'hurried' : known ? 'known' : 'unknown'];
    const result = await persist(
      request,
      patience,
      (error, tried, outOfPatience) => {
        if (error instanceof PgganError)
          return error.code === 'StoreRefused' || error.code === 'StoreUnavailable' ? failed(error.code, error.message) : error;
        const diagnosis = diagnose(error, connection.target());
        switch (diagnosis.kind) {
          case 'answer':
            known = true;
            return new Answered(diagnosis.answer, sentence(connection, uri, deed, `the server answered ${diagnosis.answer}`), error);
          case 'full':
            return failed('StoreFull', diagnosis.reason, error);
          case 'refused':
            return failed('StoreRefused', diagnosis.reason, error);
          case 'passing':
            return outOfPatience ? failed('StoreUnavailable', `${diagnosis.reason}${times(tried)}`, error) : undefined;
        }
      },
      time,
    );
    known = true;
    return result;
  };
}

/** The result, or undefined where the server gave this answer. */
export async function unless<T>(answer: Answer, work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Answered && error.answer === answer) return undefined;
    throw error;
  }
}

function sentence({ endpoint }: Connection, uri: string, { verb, key, method }: Deed, reason: string): string {
  return `cannot ${verb} ${key === '' ? uri : `${key} in ${uri}`} (${method} to ${endpoint}): ${reason}`;
}

function times({ attempts, seconds }: Tried): string {
  return `, ${attempts} times in ${Math.round(seconds)} s`;
}
