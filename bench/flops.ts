/** Counts the multiplications and additions of a training step from the table of layers. */
import {
  discriminatorWeights,
  generatorWeights,
  type NetworkShape,
  usedWeights,
  usesMinibatchStddev,
  type WeightSpec,
} from '../trainer/networks/weights.ts';

/**
 * Floating-point operations (two per multiply-add) of the convolutions and dense layers of one D and one G step, per real image, at a
 * resolution without fade. Everything else of a step moves memory and is not counted.
 *
 * D step: G forward. D on reals and on fakes: forward, gradient of the weights, gradient of the inputs. D on mixed images: forward, gradient
 * of the inputs down to the pixels; then the gradient of that gradient's norm, which passes every layer forward again and gives a gradient of
 * its weights. The minibatch statistic makes that gradient depend on the features below it: one more gradient of their weights and inputs.
 * G step: G forward, gradients of its weights and inputs; D forward, gradient of its inputs.
 */
export function flopsPerImage(shape: NetworkShape, resolution: number): number {
  const layers = (specs: readonly WeightSpec[]): readonly WeightSpec[] => {
    const used = new Set(usedWeights(specs, resolution, false));
    return specs.filter(({ name }) => used.has(name) && name.endsWith('/weight'));
  };
  const G = layers(generatorWeights(shape)).map((spec) => multiplyAdds(spec) * passesOfG(spec));
  const D = layers(discriminatorWeights(shape)).map((spec) => multiplyAdds(spec) * passesOfD(spec, usesMinibatchStddev(shape)));
  return 2 * [...G, ...D].reduce((a, b) => a + b, 0);
}

/** Latents need no gradient. */
function passesOfG({ name }: WeightSpec): number {
  return name === '4x4/Dense/weight' ? 3 : 4;
}

function passesOfD({ name }: WeightSpec, statistic: boolean): number {
  const seesPixels = name.startsWith('FromRGB');
  const isBelowStatistic = !name.startsWith('4x4/');
  const inputs = seesPixels ? 0 : 1;
  const judged = 2 * (1 + 1 + inputs);
  const penalty = 1 + 1 + 1 + 1 + (statistic && isBelowStatistic ? 1 + inputs : 0);
  const forG = 1 + 1;
  return judged + penalty + forG;
}

/** One forward pass for one image. */
function multiplyAdds({ name, shape, resolution }: WeightSpec): number {
  const [a = 1, b = 1, c, d] = shape;
  if (c === undefined || d === undefined) return a * b;
  // A 4x4 kernel of stride 2 stands for the 3x3 kernel and the scaling by two.
  if (/_(up|down)\/weight$/.test(name)) return 4 * 4 * c * d * (resolution / 2) ** 2;
  return a * b * c * d * resolution ** 2;
}
