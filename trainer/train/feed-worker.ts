/** The thread that prepares what the steps are fed with: each message asks for the next pair, in their order, until the phase is over. */
import { parentPort, workerData } from 'node:worker_threads';
import { asError, type ErrorCode, PgganError } from '../../crds/errors.ts';
import type { TrainingRun } from '../../crds/run.ts';
import { type ImageFiles, openImages } from '../data/dataset.ts';
import { discriminatorFeeds, type FeedOptions, type FeedSource, generatorFeeds } from './feeds.ts';
import type { HostFeeds } from './host-step.ts';
import { type Pair, pairsFrom, type PairStart } from './pairs.ts';
import { createRandom } from './random.ts';

export type FeedWorkerInput = {
  readonly plan: Pick<TrainingRun, 'schedule' | 'totalKimg' | 'seed'>;
  readonly resolution: number;
  readonly start: PairStart;
  readonly options: FeedOptions;
  readonly dataset: Omit<FeedSource['dataset'], 'read'>;
  readonly files: ImageFiles;
};

/** What both steps of a pair are fed with, but for Adam's numbers, which only the training knows. */
export type PairFeeds = { readonly discriminator: HostFeeds; readonly generator: HostFeeds };
export type FromFeedWorker =
  | ({ readonly kind: 'pair'; readonly pair: Pair } & PairFeeds)
  | { readonly kind: 'failed'; readonly code: ErrorCode | undefined; readonly message: string };

const port = parentPort;
if (!port) throw new Error('feed-worker is started by feed-stream.ts, as a worker thread');

const { plan, resolution, start, options, dataset, files } = workerData as FeedWorkerInput;
const source: FeedSource = { options, dataset: { ...dataset, read: openImages(files).read }, random: createRandom(plan.seed) };
const pairs = pairsFrom(plan, resolution, start);

port.on('message', () => {
  const { value: pair } = pairs.next();
  if (pair) tell(prepared(pair));
});

function prepared(pair: Pair): FromFeedWorker {
  try {
    const { images, moment } = pair;
    return {
      kind: 'pair',
      pair,
      discriminator: discriminatorFeeds(source, moment, images),
      generator: generatorFeeds(source, moment, images),
    };
  } catch (thrown) {
    const error = asError(thrown);
    return { kind: 'failed', code: error instanceof PgganError ? error.code : undefined, message: error.message };
  }
}

/** The arrays change hands; nothing is copied. */
function tell(message: FromFeedWorker): void {
  const feeds = message.kind === 'pair' ? [message.discriminator, message.generator] : [];
  const buffers = feeds.flatMap((each) => Object.values(each)).flatMap((value) => (typeof value === 'number' ? [] : [value.data.buffer]));
  port?.postMessage(message, [...new Set(buffers)] as ArrayBuffer[]);
}
