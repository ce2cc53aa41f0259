/** Images of the averaged generator of a checkpoint, at the resolution it had reached. */
import * as tf from '@tensorflow/tfjs';
import { compileProgram } from '../backend/compile.ts';
import type { ProgramDefinition } from '../backend/program.ts';
import { generator } from '../networks/generator.ts';
import { generatorWeights, type NetworkShape } from '../networks/weights.ts';
import { type SampleInput, sampleAll } from './minibatches.ts';

export type Sampler = {
  readonly shape: NetworkShape;
  /** Side of the images in pixels. */
  readonly resolution: number;
  /** Images [N, r, r, C] in [-1, 1]; any N. */
  sample(input: SampleInput): Float32Array;
  dispose(): void;
};

export type SamplerOptions = {
  readonly shape: NetworkShape;
  /** Weights of the averaged generator by name, as stored. */
  readonly weights: ReadonlyMap<string, Float32Array>;
  /** Level of detail to sample at; its fraction blends in the previous resolution. */
  readonly lod: number;
  /** Images per pass. */
  readonly minibatch: number;
  readonly mode: ProgramDefinition['mode'];
};

export function createSampler({ shape, weights, lod, minibatch, mode }: SamplerOptions): Sampler {
  const resolution = shape.resolution / 2 ** Math.floor(lod);
  const fade = lod - Math.floor(lod);
  const specs = generatorWeights(shape).filter((spec) => spec.resolution <= resolution);
  const { latentSize, labelSize } = shape;
  const program = compileProgram({
    mode,
    variables: Object.fromEntries(specs.map((spec) => [spec.name, spec.shape])),
    steps: (variables) => ({
      sample: ({ latents, labels }) =>
        tf.tidy(() => ({
          images: generator(shape, (name) => variables[name]?.read() ?? missing(name), {
            latents: latents as tf.Tensor2D,
            resolution,
            ...(labels ? { labels: labels as tf.Tensor2D } : {}),
            ...(fade > 0 ? { fade: tf.scalar(fade) } : {}),
          }),
        })),
    }),
    example: (_step, variant) => {
      const wave = (size: number): Float32Array => Float32Array.from({ length: minibatch * size }, (_, i) => Math.sin(1 + i + variant));
      return inputTensors(shape, minibatch, { latents: wave(latentSize), ...(labelSize > 0 ? { labels: wave(labelSize) } : {}) });
    },
  });
  program.write(new Map(specs.map(({ name }) => [name, weights.get(name) ?? missing(name)])));
  return {
    shape,
    resolution,
    sample: (input) =>
      sampleAll(input, { latentSize, labelSize, minibatch }, (minibatchInput) => {
        const tensors = inputTensors(shape, minibatch, minibatchInput);
        const { images } = program.run('sample', tensors);
        const data = Float32Array.from(images?.dataSync() ?? []);
        tf.dispose([tensors, images ?? []]);
        return data;
      }),
    dispose: () => program.dispose(),
  };
}

function inputTensors(
  { latentSize, labelSize }: NetworkShape,
  minibatch: number,
  { latents, labels }: SampleInput,
): Record<string, tf.Tensor> {
  return {
    latents: tf.tensor2d(latents, [minibatch, latentSize]),
    ...(labels ? { labels: tf.tensor2d(labels, [minibatch, labelSize]) } : {}),
  };
}

function missing(name: string): never {
  throw new Error(`the checkpoint holds no weight ${name} of the averaged generator`);
}
