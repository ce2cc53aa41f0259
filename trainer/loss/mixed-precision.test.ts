import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import * as tf from '@tensorflow/tfjs';
import { LOSS_DEFAULTS, NETWORK_DEFAULTS, type Precision } from '../../crds/run.ts';
import { prepareBackend } from '../backend/backend.ts';
import { isBFloat16 } from '../backend/bf16.ts';
import { discriminatorWeights, generatorWeights, type NetworkShape, usedWeights, type WeightSpec } from '../networks/weights.ts';
import { numbers } from '../ops/derivatives.ts';
import { withPrecision } from '../ops/precision.ts';
import { lossAndGradients } from './gradients.ts';
import { discriminatorLoss, generatorLoss } from './wgan-gp.ts';

before(async () => {
  assert.equal((await prepareBackend({ threads: 2, want: 'native' })).kind, 'native');
});

const SHAPE: NetworkShape = { ...NETWORK_DEFAULTS, fmapBase: 128, fmapMax: 16, latentSize: 16, resolution: 16, labelSize: 0 };
const FADE = 0.25;

type Evaluated = { readonly losses: readonly number[]; readonly gradients: Readonly<Record<string, Float32Array>> };

/** Losses and gradients of both networks on fixed weights and inputs. */
function evaluate(precision: Precision, shape: NetworkShape, resolution: number, fading: boolean): Evaluated {
  return tf.tidy(() => {
    const weightsG = randomWeights(generatorWeights(shape), resolution, fading);
    const weightsD = randomWeights(discriminatorWeights(shape), resolution, fading);
    const input = {
      resolution,
      latents: numbers([4, 16]) as tf.Tensor2D,
      ...(shape.labelSize > 0 ? { labels: tf.oneHot([0, 1, 2, 0], 3).toFloat() as tf.Tensor2D } : {}),
      ...(fading ? { fade: tf.scalar(FADE) } : {}),
    };
    const reals = numbers([4, resolution, resolution, shape.channels], 3) as tf.Tensor4D;
    const mixing = tf.abs(numbers([4, 1, 1, 1], 4)) as tf.Tensor4D;
    const [D, G] = withPrecision(precision, () => [
      lossAndGradients(weightsD, (weights) =>
        discriminatorLoss({ G: shape, D: shape }, LOSS_DEFAULTS, pick(weightsG), pick(weights), { ...input, reals, mixing }),
      ),
      lossAndGradients(weightsG, (weights) => generatorLoss({ G: shape, D: shape }, LOSS_DEFAULTS, pick(weights), pick(weightsD), input)),
    ]);
    for (const term of Object.values({ ...D.terms, ...G.terms })) assert.ok(!isBFloat16(term));
    const gradients = [...Object.entries(D.gradients).map(prefixed('D')), ...Object.entries(G.gradients).map(prefixed('G'))];
    for (const [name, gradient] of gradients) assert.ok(!isBFloat16(gradient), name);
    assert.equal(gradients.length, Object.keys(weightsD).length + Object.keys(weightsG).length);
    return {
      losses: [D.value, G.value].map((loss) => loss.dataSync()[0] ?? Number.NaN),
      gradients: Object.fromEntries(gradients.map(([name, gradient]) => [name, gradient.dataSync<'float32'>().slice()])),
    };
  });
}

const pick = (weights: Readonly<Record<string, tf.Tensor>>) => (name: string) => weights[name]!;

const prefixed =
  (network: string) =>
  ([name, gradient]: [string, tf.Tensor]) =>
    [`${network}/${name}`, gradient] as const;

function randomWeights(specs: readonly WeightSpec[], resolution: number, fading: boolean): Record<string, tf.Tensor> {
  const used = new Set(usedWeights(specs, resolution, fading));
  return Object.fromEntries(specs.filter((spec) => used.has(spec.name)).map((spec, index) => [spec.name, numbers(spec.shape, index + 1)]));
}

/** Cosine of the angle between two gradients over all weights of a network. */
function cosine(a: Evaluated, b: Evaluated, network: string): number {
  const names = Object.keys(a.gradients).filter((name) => name.startsWith(`${network}/`));
  const dot = (x: Evaluated, y: Evaluated): number =>
    names.reduce(
      (sum, name) => sum + (x.gradients[name]?.reduce((part, value, i) => part + value * (y.gradients[name]?.[i] ?? 0), 0) ?? 0),
      0,
    );
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

for (const options of [{}, { fusedScale: false }, { labelSize: 3, channels: 3 }] as const) {
  for (const fading of [false, true]) {
    for (const resolution of [8, 16]) {
      const what = `${JSON.stringify(options)} at ${resolution}x${resolution}${fading ? ', fading in' : ''}`;
      test(`mixed precision keeps losses and gradients in float32 and near those of float32 ${what}`, () => {
        const shape = { ...SHAPE, ...options };
        const exact = evaluate('Float32', shape, resolution, fading);
        const mixed = evaluate('BFloat16Mixed', shape, resolution, fading);
        assert.notDeepEqual(mixed.losses, exact.losses, 'nothing was rounded');
        for (const network of ['D', 'G']) assert.ok(cosine(exact, mixed, network) > 0.99, `${network}: ${cosine(exact, mixed, network)}`);
        for (const [i, loss] of exact.losses.entries())
          assert.ok(Math.abs((mixed.losses[i] ?? Number.NaN) - loss) < 0.02 * Math.abs(loss) + 0.02);
      });
    }
  }
}

test('mixed precision changes nothing at 4x4', () => {
  assert.deepEqual(evaluate('BFloat16Mixed', SHAPE, 4, false), evaluate('Float32', SHAPE, 4, false));
});
