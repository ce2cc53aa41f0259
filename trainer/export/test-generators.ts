/** Generators for the tests of exports: the golden cases and every switch they leave out, each with images that our own network makes of them. */
import type { TestContext } from 'node:test';
import * as tf from '@tensorflow/tfjs';
import { NETWORK_DEFAULTS } from '../../crds/run.ts';
import { GOLDEN_CASES, goldenCase } from '../../test/harness/golden.ts';
import { generator } from '../networks/generator.ts';
import { generatorWeights, type NetworkShape } from '../networks/weights.ts';
import { numbers } from '../ops/derivatives.ts';

export type GeneratorCase = {
  readonly name: string;
  readonly shape: NetworkShape;
  readonly weights: ReadonlyMap<string, Float32Array>;
  readonly lod: number;
  readonly count: number;
  readonly latents: Float32Array;
  readonly labels: Float32Array | undefined;
  /** [N, r, r, C], from our own network. */
  readonly images: Float32Array;
};

const SMALL: NetworkShape = { ...NETWORK_DEFAULTS, fmapBase: 64, fmapMax: 8, latentSize: 8, resolution: 32, labelSize: 0 };
const SWITCHES: Readonly<Record<string, Partial<NetworkShape>>> = {
  rgb: { channels: 3 },
  relu: { useLeakyRelu: false },
  'relu-plain-latents': { usePixelnorm: false, useLeakyRelu: false, normalizeLatents: false },
  'no-wscale': { useWscale: false, fusedScale: false },
  'decay-labels': { fmapDecay: 0.5, labelSize: 2, normalizeLatents: false },
};
const LODS = [0, 0.25, 1.5, 3];
const COUNT = 3;

/** Undefined where the golden cases are absent and the test is skipped. The backend must be ready. */
export function generatorCases(t: TestContext): readonly GeneratorCase[] | undefined {
  const cases: GeneratorCase[] = [];
  for (const name of GOLDEN_CASES) {
    const golden = goldenCase(t, name);
    if (!golden) return undefined;
    const weights = new Map(golden.weightNames.G.map((weight) => [weight, golden.values(`weights/G/${weight}`).data]));
    const labels = golden.shape.labelSize > 0 ? golden.values(`lod${golden.lods[0]}/in/labD`).data : undefined;
    const latents = golden.values(`lod${golden.lods[0]}/in/latD`).data;
    for (const lod of golden.lods) cases.push(caseOf(`${name}-lod${lod}`, golden.shape, weights, lod, latents, labels));
  }
  for (const [name, options] of Object.entries(SWITCHES)) {
    const shape = { ...SMALL, ...options };
    const weights = new Map(generatorWeights(shape).map((spec, index) => [spec.name, valuesOf(numbers(spec.shape, index + 1))]));
    const latents = valuesOf(numbers([COUNT, shape.latentSize], 5));
    const labels = shape.labelSize > 0 ? valuesOf(numbers([COUNT, shape.labelSize], 6)) : undefined;
    for (const lod of LODS) cases.push(caseOf(`${name}-lod${lod}`, shape, weights, lod, latents, labels));
  }
  return cases;
}

function caseOf(
  name: string,
  shape: NetworkShape,
  weights: GeneratorCase['weights'],
  lod: number,
  latents: Float32Array,
  labels: Float32Array | undefined,
): GeneratorCase {
  const count = latents.length / shape.latentSize;
  const images = tf.tidy(() => {
    const tensors = new Map(generatorWeights(shape).map((spec) => [spec.name, tf.tensor(weights.get(spec.name) ?? [], [...spec.shape])]));
    const made = generator(shape, (weight) => tensors.get(weight) ?? missing(weight), {
      latents: tf.tensor2d(latents, [count, shape.latentSize]),
      ...(labels ? { labels: tf.tensor2d(labels, [count, shape.labelSize]) } : {}),
      resolution: shape.resolution / 2 ** Math.floor(lod),
      ...(lod % 1 > 0 ? { fade: tf.scalar(lod % 1) } : {}),
    });
    return valuesOf(made);
  });
  return { name, shape, weights, lod, count, latents, labels, images };
}

const valuesOf = (tensor: tf.Tensor): Float32Array => Float32Array.from(tensor.dataSync());

function missing(name: string): never {
  throw new Error(`no weight ${name}`);
}
