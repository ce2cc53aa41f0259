/** Our training step in a process of its own: told a case, then how many iterations to time. */
import { memoryUse } from '../trainer/backend/memory.ts';
import { prepareBackend } from '../trainer/backend/backend.ts';
import { createRandom } from '../trainer/train/random.ts';
import { createSession, type HostFeeds, initialValues, type Session } from '../trainer/train/session.ts';
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
    const seconds = Array.from({ length: request.iterations }, () => timed(run));
    return { seconds, peakBytes: memoryUse().peakResidentBytes ?? 0 };
  }
  await prepareBackend({ threads: request.threads, want: 'native' });
  const options = stepOptions(request);
  const random = createRandom(1);
  const session = createSession(options, request.mode, initialValues(options, random));
  const firstSeconds = timed(() => {
    session.enter({ resolution: request.resolution, minibatch: request.minibatch, fading: false });
    iterate = iteration(request, session);
    iterate();
  });
  return { firstSeconds, peakBytes: memoryUse().peakResidentBytes ?? 0 };
});

/** One D step with averaging and one G step, from arrays on the host to scalars on the host. */
function iteration(request: StepRequest, session: Session): () => void {
  const { minibatch: n, resolution: r } = request;
  const { shape, optimizer } = stepOptions(request);
  const random = createRandom(2);
  const common: HostFeeds = {
    latents: { shape: [n, shape.latentSize], data: random.normal('latents', 0, n * shape.latentSize) },
    learningRate: 1e-4,
    beta1Power: optimizer.beta1,
    beta2Power: optimizer.beta2,
  };
  const reals = random.integers('reals', 0, n * r * r * shape.channels, 256);
  const judged: HostFeeds = {
    ...common,
    reals: { shape: [n, r, r, shape.channels], data: Float32Array.from(reals) },
    mixing: { shape: [n, 1, 1, 1], data: random.uniform('mixing', 0, n) },
  };
  return () => {
    for (const scalars of [session.step('discriminator', judged), session.step('generator', common)]) {
      if (!Object.values(scalars).every(Number.isFinite)) throw new Error(`a step gave ${JSON.stringify(scalars)}`);
    }
  };
}

function timed(work: () => void): number {
  const start = performance.now();
  work();
  return (performance.now() - start) / 1000;
}
