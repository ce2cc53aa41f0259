/** What the tests of this folder share: the golden images and draws, and sets of images as minibatches. */
import { readFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { shared } from '../../test/harness/shared.ts';
import { parseSafetensors } from '../checkpoint/safetensors.ts';
import type { ImageShape, Metric, Role } from './metric.ts';
import { imageBytes } from './metric.ts';

/** Shape of the golden images: 64 per set. */
export const GOLDEN_SHAPE: ImageShape = { resolution: 64, channels: 1 };
export const GOLDEN_IMAGES = 64;

/** The 64 grey images of a golden set, NHWC bytes; undefined where there are no goldens. */
export function goldenImages(t: TestContext, set: 'A' | 'B' | 'Anoisy'): Uint8Array | undefined {
  const path = shared(t, `golden/metric_images_${set}.npy`);
  // uint8 in C order: the data are the end of the file.
  return path === undefined ? undefined : readFileSync(path).subarray(-GOLDEN_IMAGES * imageBytes(GOLDEN_SHAPE));
}

/** Tensors of a golden file as float64, by name. */
export function goldenTensors(t: TestContext, file: string): ((name: string) => Float64Array) | undefined {
  const path = shared(t, `golden/${file}`);
  if (path === undefined) return undefined;
  const { tensors } = parseSafetensors(readFileSync(path), file);
  return (name) => {
    const tensor = tensors.get(name);
    if (!tensor) throw new Error(`${file} has no tensor ${name}`);
    const bytes = Uint8Array.from(tensor.data).buffer;
    if (tensor.dtype === 'I32') return Float64Array.from(new Int32Array(bytes));
    if (tensor.dtype === 'F32') return Float64Array.from(new Float32Array(bytes));
    if (tensor.dtype === 'F64') return new Float64Array(bytes);
    throw new Error(`${file}: ${name} is ${tensor.dtype}`);
  };
}

/** Cuts a set into minibatches of `size` images. */
export function* minibatches(images: Uint8Array, shape: ImageShape, size: number): Generator<Uint8Array> {
  const bytes = imageBytes(shape) * size;
  for (let at = 0; at < images.length; at += bytes) yield images.subarray(at, at + bytes);
}

/** The values of a metric for one set. */
export async function measure(metric: Metric, role: Role, images: Uint8Array, shape: ImageShape, size = 16): Promise<readonly number[]> {
  const measurement = metric.begin(role);
  for (const minibatch of minibatches(images, shape, size)) await measurement.feed(minibatch);
  return measurement.end();
}
