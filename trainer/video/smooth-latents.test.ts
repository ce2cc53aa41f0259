import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judge } from '../../test/harness/judge.ts';
import { createRandom } from '../train/random.ts';
import { smoothLatents } from './smooth-latents.ts';

const FRAMES = 90;
const WIDTH = 6;
const noise = createRandom(7).normal('test', 0, FRAMES * WIDTH);

/** The same filter by another way, as SciPy defines it (mode 'wrap', truncate 4): a product of spectra. */
const NUMPY = `
import json, sys
import numpy as np
noise, sigma = np.array(json.loads(sys.argv[1])).reshape(int(sys.argv[2]), -1), float(sys.argv[3])
radius = int(4 * sigma + 0.5)
taps = np.arange(-radius, radius + 1)
weights = np.exp(-0.5 * (taps / sigma) ** 2)
kernel = np.zeros(len(noise))
np.add.at(kernel, taps % len(noise), weights / weights.sum())
smooth = np.fft.ifft(np.fft.fft(noise, axis=0) * np.fft.fft(kernel)[:, np.newaxis], axis=0).real
print(json.dumps((smooth / np.sqrt(np.mean(np.square(smooth)))).ravel().tolist()))
`;

test('the walk is the noise filtered over time in a circle, as NumPy filters it, with a mean square of 1', (t) => {
  // 30 frames wide: the kernel wraps around the whole film more than once.
  for (const sigma of [2.5, 30]) {
    const smooth = smoothLatents(noise, { frames: FRAMES, width: WIDTH, sigma });
    const square = smooth.reduce((sum, value) => sum + value * value, 0) / smooth.length;
    assert(Math.abs(square - 1) < 1e-5, `mean square ${square}`);
    const said = judge(t, NUMPY, [JSON.stringify([...noise]), String(FRAMES), String(sigma)]);
    if (said === undefined) return;
    const expected = JSON.parse(said) as readonly number[];
    const difference = Math.max(...smooth.map((value, i) => Math.abs(value - (expected[i] ?? Number.NaN))));
    assert(difference < 1e-4, `sigma ${sigma}: off by ${difference}`);
  }
});

test('without a filter the walk is the noise, scaled', () => {
  const plain = smoothLatents(noise, { frames: FRAMES, width: WIDTH, sigma: 0 });
  const factors = plain.map((value, i) => value / (noise[i] ?? 1));
  assert(Math.max(...factors) - Math.min(...factors) < 1e-6);
});
