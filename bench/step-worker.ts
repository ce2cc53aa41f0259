/** Our training step in a process of its own: told a case, then how many iterations to time. */
import { memoryUse } from '../trainer/backend/memory.ts';
import { prepareBackend } from '../trainer/backend/backend.ts';
import { secondsOf, syntheticIteration } from '../trainer/plan/iteration.ts';
import { createRandom } from '../trainer/train/random.ts';
import { createSession, initialValues } from '../trainer/train/session.ts';
import { type StepCase, stepOptions } from './cases.ts';
import { serve } from './child.ts';

export type StepRequest = StepCase & { readonly threads: number };
export type TimedRequest = { readonly iterations: number };
/** Of the first iteration, which includes what is done once. */
export type FirstAnswer = { readonly firstSeconds: number; readonly peakBytes: number };
export type TimedAnswer = { readonly seconds: readonly number[]; readonly peakBytes: number };

let iterate: (() => void) | undefined;

await serve(async (request: StepRequest | TimedRequest): Promise<FirstAnswer | TimedAnswer> => {
  if ('iterations' in request) {
    const run = iterate;
    if (!run) throw new Error('name a case first');
    const seconds = Array.from({ length: request.iterations }, () => secondsOf(run));
    return { seconds, peakBytes: memoryUse().peakResidentBytes ?? 0 };
  }
  await prepareBackend({ threads: request.threads, want: 'native' });
  const options = stepOptions(request);
  const random = createRandom(1);
  const session = createSession(options, request.mode, initialValues(options, random));
  const firstSeconds = secondsOf(() => {
    const { resolution, minibatch, microbatch } = request;
    const key = { resolution, minibatch, microbatch, fading: false };
    session.enter(key);
    iterate = syntheticIteration(options, key, session, createRandom(2));
    iterate();
  });
  return { firstSeconds, peakBytes: memoryUse().peakResidentBytes ?? 0 };
});
