/** The child of `pggan plan` for one phase: its programs, fading and settled, compiled and run as in training, and timed. */
import { type Backend, prepareBackend } from '../backend/backend.ts';
import { asError } from '../../crds/errors.ts';
import { createRandom } from '../train/random.ts';
import { createSession, initialValues } from '../train/session.ts';
import type { ProgramKey, StepOptions } from '../train/step-options.ts';
import { secondsOf, syntheticIteration } from './iteration.ts';

export type MeasureRequest = {
  readonly options: StepOptions;
  readonly keys: readonly ProgramKey[];
  readonly threads: number;
  readonly seed: number;
  /** Timed, after one that is not. */
  readonly iterations: number;
};

export type MeasureAnswer =
  | {
      readonly kind: 'measured';
      readonly backend: Backend;
      /** Of each program, in the order asked for. */
      readonly programs: readonly { readonly iterationSeconds: readonly number[] }[];
    }
  | { readonly kind: 'failed'; readonly message: string };

// Ended by its parent's end, however that comes.
process.once('disconnect', () => process.exit());
process.once('message', (request: MeasureRequest) => {
  measure(request)
    .catch((error: unknown): MeasureAnswer => ({ kind: 'failed', message: asError(error).message }))
    .then((answer) => process.send?.(answer, () => process.disconnect()))
    .catch(() => process.exit(1));
});

async function measure({ options, keys, threads, seed, iterations }: MeasureRequest): Promise<MeasureAnswer> {
  const backend = await prepareBackend({ threads, warn: (message) => process.stderr.write(`warning: ${message}\n`) });
  const random = createRandom(seed);
  const session = createSession(options, backend.kind === 'wasm' ? 'eager' : 'graph', initialValues(options, random));
  const programs = keys.map((key) => {
    session.enter(key);
    const iterate = syntheticIteration(options, key, session, random);
    iterate();
    return { iterationSeconds: Array.from({ length: iterations }, () => secondsOf(iterate)) };
  });
  return { kind: 'measured', backend, programs };
}
