/** The weights of both networks: names, order and stored shapes as the reference keeps them, with their initial and run-time scales. */
import type * as tf from '@tensorflow/tfjs';
import { featureMaps } from '../../crds/cost.ts';
import type { NetworkOptions } from '../../crds/run.ts';

/** A network with every option filled in. `resolution` is the final one; `labelSize` is 0 without labels. */
export type NetworkShape = NetworkOptions & { readonly resolution: number; readonly labelSize: number };

/** Those of both networks. A run gives both the same options, the reference lets each have its own. */
export type NetworkShapes = { readonly G: NetworkShape; readonly D: NetworkShape };

/** Looks a stored weight up by its name. */
export type Weights = (name: string) => tf.Tensor;

export type WeightSpec = {
  readonly name: string;
  /** As stored. Convolutions [kh, kw, in, out], fused upscaling ones [kh, kw, out, in], dense [in, out], biases [out]. */
  readonly shape: readonly number[];
  /** Resolution of the block it belongs to; of ToRGB and FromRGB, the resolution of the images. */
  readonly resolution: number;
  readonly init: { readonly kind: 'normal'; readonly std: number } | { readonly kind: 'zeros' };
  /** Factor at run time (equalised learning rate, Karras et al. 2018, section 4.1); 1 for biases. */
  readonly scale: number;
};

/** Weights of the generator, in the reference's order. */
export function generatorWeights(shape: NetworkShape): readonly WeightSpec[] {
  const maps = (stage: number): number => featureMaps(shape, stage);
  const layer = layersOf(shape);
  const toRgb = (stage: number): readonly WeightSpec[] =>
    layer(rgbName('ToRGB', shape, stage), stage, [1, 1, maps(stage), shape.channels], { fanIn: maps(stage), gain: 1 });
  return [
    // Its outputs are the C*4*4 features of the first block, with one bias per feature map.
    ...layer('4x4/Dense', 1, [shape.latentSize + shape.labelSize, maps(1) * 16], {
      fanIn: shape.latentSize + shape.labelSize,
      gain: Math.SQRT2 / 4,
      biases: maps(1),
    }),
    ...layer('4x4/Conv', 1, [3, 3, maps(1), maps(1)], { fanIn: 9 * maps(1) }),
    ...toRgb(1),
    ...stagesAbove4x4(shape).flatMap((stage) => [
      ...(shape.fusedScale
        ? layer(`${block(stage)}/Conv0_up`, stage, [3, 3, maps(stage), maps(stage - 1)], {
            fanIn: 9 * maps(stage - 1),
            biases: maps(stage),
          })
        : layer(`${block(stage)}/Conv0`, stage, [3, 3, maps(stage - 1), maps(stage)], { fanIn: 9 * maps(stage - 1) })),
      ...layer(`${block(stage)}/Conv1`, stage, [3, 3, maps(stage), maps(stage)], { fanIn: 9 * maps(stage) }),
      ...toRgb(stage),
    ]),
  ];
}

/** Weights of the discriminator, in the reference's order. */
export function discriminatorWeights(shape: NetworkShape): readonly WeightSpec[] {
  const maps = (stage: number): number => featureMaps(shape, stage);
  const layer = layersOf(shape);
  const fromRgb = (stage: number): readonly WeightSpec[] =>
    layer(rgbName('FromRGB', shape, stage), stage, [1, 1, shape.channels, maps(stage)], { fanIn: shape.channels });
  const last = maps(1) + (usesMinibatchStddev(shape) ? 1 : 0);
  return [
    ...stagesAbove4x4(shape)
      .toReversed()
      .flatMap((stage) => [
        ...fromRgb(stage),
        ...layer(`${block(stage)}/Conv0`, stage, [3, 3, maps(stage), maps(stage)], { fanIn: 9 * maps(stage) }),
        ...layer(`${block(stage)}/${shape.fusedScale ? 'Conv1_down' : 'Conv1'}`, stage, [3, 3, maps(stage), maps(stage - 1)], {
          fanIn: 9 * maps(stage),
        }),
      ]),
    ...fromRgb(1),
    ...layer('4x4/Conv', 1, [3, 3, last, maps(1)], { fanIn: 9 * last }),
    ...layer('4x4/Dense0', 1, [maps(1) * 16, maps(0)], { fanIn: maps(1) * 16 }),
    ...layer('4x4/Dense1', 1, [maps(0), 1 + shape.labelSize], { fanIn: maps(0), gain: 1 }),
  ];
}

/** Names of the weights that a step at `resolution` uses. While fading in, the images of half that resolution have a part, too. */
export function usedWeights(specs: readonly WeightSpec[], resolution: number, fading: boolean): readonly string[] {
  const isUsed = (spec: WeightSpec): boolean =>
    /^(To|From)RGB_/.test(spec.name)
      ? spec.resolution === resolution || (fading && spec.resolution === resolution / 2)
      : spec.resolution <= resolution;
  return specs.filter(isUsed).map((spec) => spec.name);
}

/** Number of weights of a network. */
export function parameterCount(specs: readonly WeightSpec[]): number {
  return specs.reduce((total, spec) => total + spec.shape.reduce((a, b) => a * b, 1), 0);
}

/** A group of one has no spread to tell: the layer is left out, as for 0. */
export const usesMinibatchStddev = (shape: NetworkShape): boolean => shape.mbstdGroupSize > 1;

/** 'ToRGB_lod2' for the images of the block of `stage`. */
function rgbName(prefix: 'ToRGB' | 'FromRGB', shape: NetworkShape, stage: number): string {
  return `${prefix}_lod${Math.log2(shape.resolution) - stage - 1}`;
}

const block = (stage: number): string => `${2 ** (stage + 1)}x${2 ** (stage + 1)}`;

/** Stages of the blocks 8x8, 16x16, ... */
function stagesAbove4x4(shape: NetworkShape): readonly number[] {
  return Array.from({ length: Math.log2(shape.resolution) - 2 }, (_, index) => index + 2);
}

type LayerOptions = {
  readonly fanIn: number;
  /** He's gain by default. */
  readonly gain?: number;
  /** Number of biases; the last axis of the weight by default. */
  readonly biases?: number;
};

function layersOf(shape: NetworkShape) {
  return (name: string, stage: number, weight: readonly number[], options: LayerOptions): readonly WeightSpec[] => {
    const std = (options.gain ?? Math.SQRT2) / Math.sqrt(options.fanIn);
    const resolution = 2 ** (stage + 1);
    const biases = options.biases ?? weight.at(-1) ?? 0;
    return [
      {
        name: `${name}/weight`,
        shape: weight,
        resolution,
        init: { kind: 'normal', std: shape.useWscale ? 1 : std },
        scale: shape.useWscale ? std : 1,
      },
      { name: `${name}/bias`, shape: [biases], resolution, init: { kind: 'zeros' }, scale: 1 },
    ];
  };
}
