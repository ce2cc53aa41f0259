/** What a training costs, from the shapes of its networks: parameters, arithmetic per image, size of a checkpoint. Estimates rest on it. */
import type { NetworkOptions } from './run.ts';

/** Channels of the feature maps that stage `stage` puts out: the block at resolution 2^(stage + 1) (Karras et al. 2018, appendix A.1). */
export function featureMaps(network: NetworkOptions, stage: number): number {
  return Math.min(Math.floor(network.fmapBase / 2 ** (stage * network.fmapDecay)), network.fmapMax);
}

/** Trainable parameters of both networks at `resolution`, without labels. 512x512 grey at the defaults: 23,067,048 and 23,075,169. */
export function parameters(network: NetworkOptions, resolution: number): { readonly generator: number; readonly discriminator: number } {
  const maps = (stage: number): number => featureMaps(network, stage);
  const { channels, latentSize } = network;
  const base = maps(1);
  const extra = network.mbstdGroupSize > 1 ? 1 : 0;
  let generator = latentSize * base * 16 + base + 9 * base * base + base;
  let discriminator = 9 * (base + extra) * base + base + 16 * base * maps(0) + maps(0) + maps(0) + 1;
  for (let r = 2; r <= Math.log2(resolution); r += 1) {
    const here = maps(r - 1);
    generator += here * channels + channels;
    discriminator += channels * here + here;
    if (r === 2) continue;
    const below = maps(r - 2);
    generator += 9 * below * here + here + 9 * here * here + here;
    discriminator += 9 * here * here + here + 9 * here * below + below;
  }
  return { generator, discriminator };
}

/** Multiply-adds of one forward pass of G and D together for one image at `resolution`. */
export function forwardMacs(network: NetworkOptions, resolution: number): number {
  const base = featureMaps(network, 1);
  let macs = 16 * base * (network.latentSize + 9 * base) + 16 * base * (9 * (base + 1) + featureMaps(network, 0));
  for (let r = 3; r <= Math.log2(resolution); r += 1) {
    const here = featureMaps(network, r - 1);
    const below = featureMaps(network, r - 2);
    // Each network has one 3x3 convolution at this resolution and one fused 4x4 up or down convolution at half of it.
    macs += 2 * (4 ** r * 9 * here * here + 4 ** (r - 1) * 16 * here * below);
  }
  return macs;
}

/** Bytes of all variables, and so of one checkpoint: G, its average and D, and two Adam moments of G and D, in float32. */
export function variableBytes(network: NetworkOptions, resolution: number): number {
  const { generator, discriminator } = parameters(network, resolution);
  return 4 * (4 * generator + 3 * discriminator);
}

/**
 * How much longer one image takes at one resolution than at another. A step also costs its ops, which small networks feel:
 * they are counted as 20 million multiply-adds per image, which fits the small network's figures at 16x16 to 128x128.
 */
export function relativeCost(network: NetworkOptions, resolution: number, reference: number): number {
  const cost = (at: number): number => forwardMacs(network, at) + 20e6 * Math.log2(at);
  return cost(resolution) / cost(reference);
}
