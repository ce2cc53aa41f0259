/** A full-width run as it saves checkpoints: variables in TensorFlow, a thread that saves; the stall, the save and the memory they take. */
import { readFileSync, writeFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import { prepareBackend } from '../trainer/backend/backend.ts';
import { compileProgram } from '../trainer/backend/compile.ts';
import { openStore } from '../trainer/checkpoint/open-store.ts';
import { acquireRun, systemClock } from '../trainer/checkpoint/owner.ts';
import { startSaver } from '../trainer/checkpoint/saver.ts';
import { createRandom } from '../trainer/train/random.ts';
import { initialValues } from '../trainer/train/session.ts';
import { toTensorFiles } from '../trainer/train/tensor-files.ts';
import { stepOptions } from './cases.ts';
import { serve } from './child.ts';
import type { CheckpointState } from '../trainer/checkpoint/format.ts';

export type SaveRequest = { readonly resolution: number; readonly threads: number; readonly uri: string; readonly images: number };
export type SaveAnswer = {
  /** What a training loop stands still for: the copy of all variables, and handing them over. */
  readonly stallSeconds: number;
  /** From the beginning of the stall until the checkpoint exists, logs and retention included. */
  readonly saveSeconds: number;
  /** Resident memory at its highest during the save, above what it was before. */
  readonly extraBytes: number;
};

type Run = { readonly save: (images: number) => Promise<SaveAnswer> };
let opened: Run | undefined;

await serve(async (request: SaveRequest): Promise<SaveAnswer> => {
  opened ??= await open(request);
  return opened.save(request.images);
});

async function open({ resolution, threads, uri }: SaveRequest): Promise<Run> {
  await prepareBackend({ threads, want: 'native' });
  const options = stepOptions({ width: 'full', resolution, precision: 'Float32' });
  const values = distinctValues(options);
  // All variables of the last phase; its steps would take minutes here and change none of what is measured.
  const program = compileProgram({
    mode: 'graph',
    variables: Object.fromEntries([...values].map(([name, value]) => [name, [value.length]])),
    steps: () => ({ idle: ({ x }) => ({ x: tf.add(x ?? 0, 1) }) }),
    example: (_step, variant) => ({ x: tf.scalar(variant) }),
  });
  program.write(values);
  const owner = { cluster: 'bench', namespace: 'bench', name: 'bench', uid: 'bench' };
  const writer = await acquireRun(openStore(uri), owner, systemClock);
  const saver = startSaver(
    { uri, s3: undefined, owner: writer.record, retention: { keepLast: 1 }, newest: undefined, staging: undefined },
    { committed: () => {}, waiting: () => {}, remark: () => {} },
  );
  return {
    async save(images) {
      const before = memory('VmRSS');
      // The high-water mark begins anew (proc(5), clear_refs).
      writeFileSync('/proc/self/clear_refs', '5');
      const start = performance.now();
      const files = toTensorFiles(options.shape, program.read());
      const saving = saver.save({ content: { images, files, state: stateAt(images), logs: {}, time: new Date() }, logs: {}, last: false });
      const stallSeconds = (performance.now() - start) / 1000;
      await saving;
      return { stallSeconds, saveSeconds: (performance.now() - start) / 1000, extraBytes: memory('VmHWM') - before };
    },
  };
}

/** Moments are as incompressible as weights, since trained ones are. */
function distinctValues(options: Parameters<typeof initialValues>[0]): ReadonlyMap<string, Float32Array> {
  const values = initialValues(options, createRandom(1));
  const weights = (name: string): Float32Array | undefined => values.get(name.replace(/^adam_[mv]\//, ''));
  return new Map([...values].map(([name, value]) => [name, name.startsWith('adam_') ? (weights(name) ?? value).map((x) => x * x) : value]));
}

function stateAt(images: number): CheckpointState {
  return {
    images,
    imagesAtIterationStart: images,
    repeatIndex: 0,
    previousLod: 0,
    adamStep: { generator: 1, discriminator: 1 },
    tick: 0,
    imagesAtTickStart: 0,
    tickSums: {},
    secondsTrained: 0,
    secondsAtTickStart: 0,
    nextSnapshots: {},
    attempt: 1,
    environment: {},
  };
}

function memory(field: 'VmRSS' | 'VmHWM'): number {
  const kilobytes = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return Number(kilobytes) * 1024;
}
