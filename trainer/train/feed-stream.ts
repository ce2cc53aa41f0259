/** What the steps are fed with, prepared ahead of them in a thread of its own, so that no step waits for a disk or for random numbers. */
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { PgganError } from '../../crds/errors.ts';
import type { FeedWorkerInput, FromFeedWorker, PairFeeds } from './feed-worker.ts';

/** Pairs that are ready or being prepared while one trains: enough for a hiccup of the disk, and little memory (4 MB for 4 grey images of 512x512). */
const AHEAD = 2;

export interface FeedStream {
  /** The feeds of the next pair, which stands after `images` images. @throws {PgganError} DatasetInvalid where an image cannot be read */
  next(images: number): Promise<PairFeeds>;
  /** For how long `next` has kept its callers waiting. */
  waitedSeconds(): number;
  close(): Promise<void>;
}

/** Starts to prepare the pairs from `input.start` on. */
export function openFeedStream(input: FeedWorkerInput): FeedStream {
  // The worker's file has this file's extension: .ts as it is developed, .js as it is built.
  const worker = new Worker(new URL(`./feed-worker${extname(import.meta.url)}`, import.meta.url), { workerData: input, name: 'feeds' });
  const asked: PromiseWithResolvers<FromFeedWorker>[] = [];
  let ended: Error | undefined;
  let waitedSeconds = 0;
  const ask = (): Promise<FromFeedWorker> => {
    const answer = Promise.withResolvers<FromFeedWorker>();
    // Nobody may be waiting yet when it fails; whoever comes is told.
    answer.promise.catch(() => undefined);
    if (ended) answer.reject(ended);
    else {
      asked.push(answer);
      worker.postMessage('next', []);
    }
    return answer.promise;
  };
  const end = (error: Error): void => {
    ended ??= error;
    for (const answer of asked.splice(0)) answer.reject(ended);
  };
  worker.on('message', (message: FromFeedWorker) => asked.shift()?.resolve(message));
  worker.on('error', end);
  worker.on('exit', () => end(new Error('the thread that prepares images has ended')));
  const ahead = Array.from({ length: AHEAD }, ask);

  return {
    async next(images) {
      const from = performance.now();
      ahead.push(ask());
      const answer = await (ahead.shift() as Promise<FromFeedWorker>);
      waitedSeconds += (performance.now() - from) / 1000;
      if (answer.kind === 'failed') throw answer.code ? new PgganError(answer.code, answer.message) : new Error(answer.message);
      if (answer.pair.images !== images)
        throw new Error(`feeds for the pair after ${answer.pair.images} images came where ${images} were shown`);
      return answer;
    },
    waitedSeconds: () => waitedSeconds,
    async close() {
      await worker.terminate();
    },
  };
}
