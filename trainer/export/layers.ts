/** A generator as a table of plain layers with ready-made kernels: what the writers of other formats translate, one layer at a time. */
import { featureMaps } from '../../crds/cost.ts';
import { generatorWeights, type NetworkShape } from '../networks/weights.ts';
import { resolutionsAbove4, rgbLayer } from '../networks/layers.ts';
import { fuseUpscale, scaled, spread } from './kernels.ts';

/** Values of a constant in row-major order. */
export type Constant = { readonly shape: readonly number[]; readonly data: Float32Array };

/** Convolutions have the kernel [kh, kw, in, out], upscaling ones [kh, kw, out, in], dense layers [in, out]; all have a bias [out]. */
export type Layer = { readonly name: string; readonly from: readonly string[] } & (
  | { readonly kind: 'concatenate' }
  /** x / sqrt(mean of x^2 over the features + epsilon). */
  | { readonly kind: 'normalize'; readonly epsilon: number }
  | { readonly kind: 'dense'; readonly kernel: Constant; readonly bias: Constant }
  /** [N, C * 4 * 4], flattened C, H, W, to images of 4x4. */
  | { readonly kind: 'unflatten'; readonly channels: number }
  | { readonly kind: 'convolve'; readonly kernel: Constant; readonly bias: Constant }
  /** A transposed convolution of stride 2 that doubles the size, to `resolution`. */
  | { readonly kind: 'convolveUp'; readonly kernel: Constant; readonly bias: Constant; readonly resolution: number }
  /** Repeats each pixel 2x2, to `resolution`. */
  | { readonly kind: 'upscale'; readonly resolution: number }
  /** x below 0 times `slope`. */
  | { readonly kind: 'rectify'; readonly slope: number }
  /** The first input where `fade` is 0, the second where it is 1. */
  | { readonly kind: 'blend'; readonly fade: number }
);

export type GeneratorLayers = {
  /** Features of the inputs `latents` and, in conditional networks, `labels`. */
  readonly inputs: Readonly<Record<string, number>>;
  /** In an order in which they can be evaluated. */
  readonly layers: readonly Layer[];
  /** The layer that puts out the images, about [-1, 1] and not clipped. */
  readonly output: string;
  /** Side of the images in pixels, and their channels. */
  readonly resolution: number;
  readonly channels: number;
};

const LEAKY_SLOPE = 0.2;

/**
 * The layers of the generator as it stands at `lod`; a fade-in under way becomes a constant. The scale of every weight and the fused
 * kernels are worked out here, so that no format needs to know of equalised learning rates.
 * @param weights as stored, by name
 */
export function generatorLayers(shape: NetworkShape, weights: ReadonlyMap<string, Float32Array>, lod: number): GeneratorLayers {
  const resolution = shape.resolution / 2 ** Math.floor(lod);
  const fade = lod - Math.floor(lod);
  const layers: Layer[] = [];
  const add = (layer: Layer): string => {
    layers.push(layer);
    return layer.name;
  };
  const constant = constantsOf(shape, weights);
  const parts = (layer: string) => ({ kernel: constant(`${layer}/weight`), bias: constant(`${layer}/bias`) });
  const activate = (name: string, x: string): string => {
    const y = add({ kind: 'rectify', name: `${name}/activation`, from: [x], slope: shape.useLeakyRelu ? LEAKY_SLOPE : 0 });
    return shape.usePixelnorm ? add({ kind: 'normalize', name: `${name}/norm`, from: [y], epsilon: shape.pixelnormEpsilon }) : y;
  };
  const convolve = (name: string, x: string): string => add({ kind: 'convolve', name, from: [x], ...parts(name) });
  const upscale = (name: string, x: string, to: number): string => add({ kind: 'upscale', name, from: [x], resolution: to });
  const upscalingBlock = (x: string, at: number): string => {
    const name = `${at}x${at}`;
    const upscaled = shape.fusedScale
      ? add({ kind: 'convolveUp', name: `${name}/Conv0_up`, from: [x], ...parts(`${name}/Conv0_up`), resolution: at })
      : convolve(`${name}/Conv0`, upscale(`${name}/upscale`, x, at));
    return activate(`${name}/Conv1`, convolve(`${name}/Conv1`, activate(`${name}/Conv0`, upscaled)));
  };

  let x = 'latents';
  if (shape.labelSize > 0) x = add({ kind: 'concatenate', name: 'latents_and_labels', from: ['latents', 'labels'] });
  if (shape.normalizeLatents) x = add({ kind: 'normalize', name: 'latents/norm', from: [x], epsilon: shape.pixelnormEpsilon });
  const { kernel, bias } = parts('4x4/Dense');
  // The reference adds one bias per feature map, after the reshape: here each stands for its 16 pixels.
  x = add({ kind: 'dense', name: '4x4/Dense', from: [x], kernel, bias: spread(bias, 16) });
  x = add({ kind: 'unflatten', name: '4x4/features', from: [x], channels: featureMaps(shape, 1) });
  x = activate('4x4/Conv', convolve('4x4/Conv', activate('4x4/Dense', x)));
  let previous = x;
  for (const at of resolutionsAbove4(resolution)) {
    previous = x;
    x = upscalingBlock(x, at);
  }
  let images = convolve(rgbLayer('ToRGB', shape.resolution, resolution), x);
  if (fade > 0) {
    const coarse = convolve(rgbLayer('ToRGB', shape.resolution, resolution / 2), previous);
    images = add({ kind: 'blend', name: 'fade', from: [images, upscale('fade/upscale', coarse, resolution)], fade });
  }
  const { channels, latentSize, labelSize } = shape;
  return { inputs: { latents: latentSize, ...(labelSize > 0 ? { labels: labelSize } : {}) }, layers, output: images, resolution, channels };
}

/** Every weight as the layers take it, made when it is asked for. */
function constantsOf(shape: NetworkShape, weights: ReadonlyMap<string, Float32Array>): (name: string) => Constant {
  const specs = new Map(generatorWeights(shape).map((spec) => [spec.name, spec]));
  return (name) => {
    const spec = specs.get(name);
    const data = weights.get(name);
    if (!spec || !data) throw new Error(`the generator has no weight ${name}`);
    const stored = scaled({ shape: spec.shape, data }, spec.scale);
    return name.endsWith('/Conv0_up/weight') ? fuseUpscale(stored) : stored;
  };
}
