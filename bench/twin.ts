/** Starts the twin: the same training step in Python TensorFlow, with the options and weights that our step has. */
import { fileURLToPath } from 'node:url';
import { pinDeterminism } from '../trainer/backend/determinism.ts';
import { discriminatorWeights, generatorWeights, usedWeights, type WeightSpec } from '../trainer/networks/weights.ts';
import { type ProgramKey, shapesOf, type StepOptions } from '../trainer/train/step-options.ts';
import { judgePackages } from '../test/harness/judge.ts';
import { type Child, startChild } from './child.ts';

/** What twin.py is told of a case, as JSON. */
export function twinCase(options: StepOptions, key: ProgramKey, more: { readonly xla: boolean; readonly learningRate?: number }) {
  const { loss, optimizer, averagingDecay, precision } = options;
  const shapes = shapesOf(options);
  const specs = (all: readonly WeightSpec[]) => {
    const used = new Set(usedWeights(all, key.resolution, key.fading));
    return all
      .filter(({ resolution }) => resolution <= key.resolution)
      .map(({ name, shape: dimensions, resolution, scale, init }) => ({
        name,
        shape: dimensions,
        resolution,
        scale,
        std: init.kind === 'normal' ? init.std : 0,
        used: used.has(name),
      }));
  };
  return {
    nets: shapes,
    loss,
    optimizer,
    averagingDecay,
    precision,
    ...key,
    specs: { G: specs(generatorWeights(shapes.G)), D: specs(discriminatorWeights(shapes.D)) },
    ...more,
  };
}

/** A Python process with the twin in it; undefined where the judges' packages are not installed. */
export function startTwin(threads: number): Child | undefined {
  const packages = judgePackages();
  if (packages === undefined) return undefined;
  pinDeterminism({ threads });
  const { TF_DETERMINISTIC_OPS: _deterministic, ...inherited } = process.env;
  const env = { ...inherited, PYTHONPATH: packages, PYTHONDONTWRITEBYTECODE: '1', TF_CPP_MIN_LOG_LEVEL: '2', CUDA_VISIBLE_DEVICES: '-1' };
  return startChild('the TensorFlow twin', 'python3', [fileURLToPath(new URL('twin.py', import.meta.url))], env);
}
