/** Samples any number of images through a generator that takes minibatches of one size; the last is padded, so no image depends on how many there are. */

/** Rows of latents [N, latentSize] and, in conditional networks, labels [N, labelSize]. */
export type SampleInput = { readonly latents: Float32Array; readonly labels?: Float32Array | undefined };

/** Images of all rows, one after another. `sample` is given exactly `minibatch` rows. */
export function sampleAll(
  input: SampleInput,
  sizes: { readonly latentSize: number; readonly labelSize: number; readonly minibatch: number },
  sample: (input: SampleInput) => Float32Array,
): Float32Array {
  const { latentSize, labelSize, minibatch } = sizes;
  const count = input.latents.length / latentSize;
  const made: Float32Array[] = [];
  for (let first = 0; first < count; first += minibatch) {
    const images = sample({
      latents: rows(input.latents, latentSize, first, minibatch),
      ...(input.labels && labelSize > 0 ? { labels: rows(input.labels, labelSize, first, minibatch) } : {}),
    });
    const take = Math.min(minibatch, count - first);
    made.push(images.subarray(0, (images.length / minibatch) * take));
  }
  return concatenate(made);
}

/** `count` rows from row `first` on, padded with zeros. */
function rows(values: Float32Array, width: number, first: number, count: number): Float32Array {
  const taken = new Float32Array(count * width);
  taken.set(values.subarray(first * width, (first + count) * width));
  return taken;
}

function concatenate(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
