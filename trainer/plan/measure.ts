/** Measures what a thousand images of a phase cost on this machine, in a process of its own as a phase has one. */
import { fork } from 'node:child_process';
import { extname } from 'node:path';
import { PgganError } from '../../crds/errors.ts';
import type { Backend } from '../backend/backend.ts';
import { median } from './median.ts';
import type { MeasureAnswer, MeasureRequest } from './measure-worker.ts';

export type PhaseSpeed = {
  readonly backend: Backend;
  /** While the resolution fades in; undefined where it does not. */
  readonly fadingSecondsPerKimg: number | undefined;
  readonly settledSecondsPerKimg: number;
  /** Loading, compiling and the first iteration of all programs, which every start of the phase pays again. */
  readonly startSeconds: number;
};

/** @throws {PgganError} BackendUnavailable when the process ends without an answer, as one does that is killed for its memory */
export async function measurePhase(
  request: Omit<MeasureRequest, 'keys'>,
  phase: { readonly resolution: number; readonly minibatch: number; readonly microbatch?: number | undefined; readonly fades: boolean },
): Promise<PhaseSpeed> {
  const { resolution, minibatch, microbatch, fades } = phase;
  const keys = [...(fades ? [true] : []), false].map((fading) => ({ resolution, minibatch, microbatch, fading }));
  const began = performance.now();
  const answer = await askWorker({ ...request, keys }, `${resolution}x${resolution}`);
  const measured = (performance.now() - began) / 1000;
  const secondsPerKimg = answer.programs.map(({ iterationSeconds }) => (median(iterationSeconds) * 1000) / minibatch);
  const timed = answer.programs.flatMap(({ iterationSeconds }) => iterationSeconds).reduce((a, b) => a + b, 0);
  return {
    backend: answer.backend,
    fadingSecondsPerKimg: fades ? secondsPerKimg[0] : undefined,
    settledSecondsPerKimg: secondsPerKimg.at(-1) ?? Number.NaN,
    startSeconds: measured - timed,
  };
}

type Measured = Extract<MeasureAnswer, { readonly kind: 'measured' }>;

async function askWorker(request: MeasureRequest, phase: string): Promise<Measured> {
  const worker = fork(new URL(`measure-worker${extname(import.meta.filename)}`, import.meta.url), {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  worker.send(request);
  return new Promise((resolve, reject) => {
    const failed = (why: string): void => reject(new PgganError('BackendUnavailable', `${phase} could not be measured: ${why}`));
    worker.once('error', (error) => failed(error.message));
    worker.once('exit', (code, signal) => failed(signal ? `the process was ended by ${signal}` : `the process ended with ${code}`));
    worker.once('message', (answer: MeasureAnswer) => (answer.kind === 'measured' ? resolve(answer) : failed(answer.message)));
  });
}
