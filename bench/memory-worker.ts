/** One phase of a run as its own trainer process would do it, and the most memory that this took; or the checkpoint that it goes on from. */
import type { TrainingRun } from '../crds/run.ts';
import { scheduleAt } from '../crds/schedule.ts';
import { memoryUse } from '../trainer/backend/memory.ts';
import { saveCheckpoint } from '../trainer/checkpoint/checkpoint.ts';
import { runDocumentProcess } from '../trainer/process.ts';
import { START } from '../trainer/train/loop.ts';
import { openRun } from '../trainer/train/open-run.ts';
import { createRandom } from '../trainer/train/random.ts';
import { initialValues } from '../trainer/train/session.ts';
import { toTensorFiles } from '../trainer/train/tensor-files.ts';
import { serve } from './child.ts';

/** `begin` saves untrained networks as if `images` had been shown; `train` goes on from there to the end of the phase. */
export type PhaseRequest = { readonly run: TrainingRun } & (
  | { readonly task: 'begin'; readonly images: number }
  | { readonly task: 'train' }
);
export type PhaseAnswer = { readonly peakBytes: number };

await serve(async (request: PhaseRequest): Promise<PhaseAnswer> => {
  switch (request.task) {
    case 'begin':
      await begin(request.run, request.images);
      break;
    case 'train':
      await train(request.run);
      break;
  }
  return { peakBytes: memoryUse().peakResidentBytes ?? 0 };
});

async function begin(run: TrainingRun, images: number): Promise<void> {
  const open = await openRun(run, () => undefined);
  const { store, writer, options } = open;
  const position = { ...START, images, imagesAtIterationStart: images, imagesAtTickStart: images };
  const state = {
    ...position,
    previousLod: scheduleAt(run.schedule, images).lod,
    secondsTrained: 0,
    secondsAtTickStart: 0,
    nextSnapshots: {},
    attempt: writer.attempt,
    environment: {},
  };
  const files = toTensorFiles(options.shape, initialValues(options, createRandom(run.seed)));
  await saveCheckpoint(store, { images, files, state, logs: {}, time: new Date() }, () => writer.check());
  await open.close();
}

async function train(run: TrainingRun): Promise<void> {
  process.env['PGGAN_RUN'] = JSON.stringify(run);
  const never = { requested: false, reason: undefined, onRequest: () => undefined, release: () => undefined };
  const code = await runDocumentProcess('train', never, () => undefined);
  if (code !== 0) throw new Error(`the phase ended with ${code}`);
}
