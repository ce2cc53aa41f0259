/** A full-width run as it saves checkpoints: variables in TensorFlow, a thread that saves; the stall, the save and the memory they take. */
import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import { prepareBackend } from '../trainer/backend/backend.ts';
import { compileProgram } from '../trainer/backend/compile.ts';
import { openStore } from '../trainer/checkpoint/open-store.ts';
import { acquireRun, systemClock } from '../trainer/checkpoint/owner.ts';
import { startSaver } from '../trainer/checkpoint/saver.ts';
import type { Program } from '../trainer/backend/program.ts';
import { discriminatorWeights, generatorWeights, type NetworkShape } from '../trainer/networks/weights.ts';
import { toTensorFiles } from '../trainer/train/tensor-files.ts';
import { stepOptions } from './cases.ts';
import { serve } from './child.ts';
import { stateAt } from './checkpoint-state.ts';

export type SaveRequest = { readonly resolution: number; readonly threads: number; readonly uri: string; readonly images: number };
export type SaveAnswer = {
  /** What a training loop stands still for: the copy of all variables, and handing them over. */
  readonly stallSeconds: number;
  /** From the beginning of the stall until the checkpoint exists, logs and retention included. */
  readonly saveSeconds: number;
  /** Time on the processor that the stall took: on a machine with other work this is what it would be alone. */
  readonly stallCpuSeconds: number;
  /** Resident memory at its highest so far, above what it was before the first save. */
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
  const { shape } = stepOptions({ width: 'full', resolution, precision: 'Float32' });
  const sizes = sizesOf(shape);
  // All variables of the last phase; its steps would take minutes here and change none of what is measured.
  const program = compileProgram({
    mode: 'graph',
    variables: Object.fromEntries([...sizes].map(([name, size]) => [name, [size]])),
    steps: () => ({ idle: ({ x }) => ({ x: tf.add(x ?? 0, 1) }) }),
    example: (_step, variant) => ({ x: tf.scalar(variant) }),
  });
  writeInGroups(program, sizes);
  const before = memory('VmRSS');
  const owner = { cluster: 'bench', namespace: 'bench', name: 'bench', uid: 'bench' };
  const writer = await acquireRun(openStore(uri), owner, systemClock);
  const saver = startSaver(
    { uri, s3: undefined, owner: writer.record, retention: { keepLast: 1 }, newest: undefined, staging: undefined },
    { committed: () => {}, waiting: () => {}, remark: () => {} },
  );
  return {
    async save(images) {
      const start = performance.now();
      const cpu = process.cpuUsage();
      const files = toTensorFiles(shape, program.read());
      const { user, system } = process.cpuUsage(cpu);
      const saving = saver.save({ content: { images, files, state: stateAt(images), logs: {}, time: new Date() }, logs: {}, last: false });
      const stallSeconds = (performance.now() - start) / 1000;
      await saving;
      return {
        stallSeconds,
        stallCpuSeconds: (user + system) / 1e6,
        saveSeconds: (performance.now() - start) / 1000,
        extraBytes: memory('VmHWM') - before,
      };
    },
  };
}

/** Numbers of values, by the names of a session's variables. */
function sizesOf(shape: NetworkShape): ReadonlyMap<string, number> {
  const [G, D] = [generatorWeights(shape), discriminatorWeights(shape)];
  const of = { G, Gs: G, 'adam_m/G': G, 'adam_v/G': G, D, 'adam_m/D': D, 'adam_v/D': D };
  return new Map(
    Object.entries(of).flatMap(([prefix, specs]) =>
      specs.map((spec) => [`${prefix}/${spec.name}`, spec.shape.reduce((a, b) => a * b, 1)] as const),
    ),
  );
}

/** A few variables at a time, which are given back at once: what is measured later must not find room among what was left here. */
function writeInGroups(program: Program, sizes: ReadonlyMap<string, number>): void {
  const names = [...sizes.keys()];
  for (let at = 0; at < names.length; at += 30) {
    const group = new Map(names.slice(at, at + 30).map((name) => [name, noise(sizes.get(name) ?? 0)]));
    program.write(group);
    for (const { buffer } of group.values()) buffer.transfer(0);
  }
}

/** As incompressible as trained values are. */
function noise(size: number): Float32Array<ArrayBuffer> {
  const values = new Float32Array(size);
  for (let i = 0, state = size; i < size; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    values[i] = state / 2 ** 31;
  }
  return values;
}

function memory(field: 'VmRSS' | 'VmHWM'): number {
  const kilobytes = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return Number(kilobytes) * 1024;
}
