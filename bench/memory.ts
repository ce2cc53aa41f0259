/** Measures the most memory that a phase of a run takes: every case trains, saves, and is read back by processes of its own. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { AVERAGING_DEFAULTS, LOSS_DEFAULTS, OPTIMIZER_DEFAULTS, RUN_VERSION, type TrainingRun } from '../crds/run.ts';
import { phaseMemoryBytes } from '../crds/memory.ts';
import { createPhantoms } from '../trainer/data/phantoms.ts';
import { type MemoryCase, stepOptions } from './cases.ts';
import { startWorker } from './child.ts';
import type { PhaseAnswer, PhaseRequest } from './memory-worker.ts';

export type MemoryResult = MemoryCase & {
  readonly threads: number;
  readonly measuredBytes: number;
  readonly estimatedBytes: number;
  readonly estimatedOverMeasured: number;
};

/** Images in the dataset: they are read one minibatch at a time, so that more of them take no more memory. */
const IMAGES = 8;

/**
 * The phase begins from a checkpoint, as after the phase before or a restart; fades in for an iteration (not at 4x4), trains for another,
 * draws its pictures and saves.
 */
export async function measureMemory(each: MemoryCase, threads: number): Promise<MemoryResult> {
  const folder = await mkdtemp(join(tmpdir(), 'pggan-bench-memory-'));
  try {
    await createPhantoms({ folder: join(folder, 'phantoms'), count: IMAGES, resolution: each.finalResolution, seed: 1 });
    const run = shortRun(each, folder, threads);
    const images = each.resolution > 4 ? 2 * each.minibatch : each.minibatch;
    await peakOf({ task: 'begin', run, images });
    const measuredBytes = await peakOf({ task: 'train', run });
    const estimatedBytes = phaseMemoryBytes({ ...each, network: run.network });
    return { ...each, threads, measuredBytes, estimatedBytes, estimatedOverMeasured: estimatedBytes / measuredBytes };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function peakOf(request: PhaseRequest): Promise<number> {
  const worker = startWorker('the phase', 'memory-worker.ts');
  try {
    return (await worker.ask<PhaseAnswer>(request)).peakBytes;
  } finally {
    await worker.close();
  }
}

/** Half cycles of one and a half minibatches: after two iterations at the resolution below follow one that fades and one that does not. */
function shortRun(each: MemoryCase, folder: string, threads: number): TrainingRun {
  const { finalResolution, resolution, minibatch, precision } = each;
  const { shape, mirrorAugment } = stepOptions({ ...each, resolution: finalResolution });
  const { resolution: _, labelSize: __, ...network } = shape;
  const initialResolution = Math.max(resolution / 2, 4);
  const half = (1.5 * minibatch) / 1000;
  const doublings = Math.log2(finalResolution / initialResolution);
  return {
    version: RUN_VERSION,
    kind: 'training',
    owner: { cluster: 'bench', namespace: 'bench', name: 'memory', uid: 'memory' },
    task: { kind: 'train', resolution },
    dataset: { uri: pathToFileURL(join(folder, 'phantoms')).href },
    run: { uri: pathToFileURL(join(folder, 'run')).href },
    totalKimg: doublings === 0 ? (2 * minibatch) / 1000 : 2 * doublings * half + minibatch / 1000,
    schedule: {
      resolution: finalResolution,
      initialResolution,
      trainKimg: half,
      transitionKimg: half,
      minibatchRepeats: 1,
      levels: Array.from({ length: Math.log2(finalResolution) - 1 }, (_unused, index) => ({
        resolution: 4 * 2 ** index,
        minibatch,
        generatorLearningRate: 0.001,
        discriminatorLearningRate: 0.001,
        tickKimg: 1000,
      })),
    },
    network,
    loss: LOSS_DEFAULTS,
    optimizer: OPTIMIZER_DEFAULTS,
    averaging: AVERAGING_DEFAULTS,
    precision,
    mirrorAugment,
    seed: 1,
    threads,
    checkpoints: { everyKimg: 1000, everySeconds: 100_000, keepLast: 1 },
    progressDeadlineSeconds: 100_000,
    port: 0,
  };
}
