import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judge } from '../../test/harness/judge.ts';
import { toBytes } from '../report/grid.ts';
import { createRandom } from '../train/random.ts';
import { pixelsOf, sideOf } from './pixels.ts';

/** Images as a generator makes them: beyond [-1, 1] here and there. */
const drawn = (count: number): Float32Array => createRandom(3).normal('test', 0, count);

test('an image of the size that the network draws is what the pictures of a run show', () => {
  const image = drawn(16 * 16);
  assert.deepEqual(pixelsOf(image, 16, 1, 16), toBytes(image));
});

test('TensorFlow averages the same boxes, rounds and clips afterwards, and takes the same bytes', (t) => {
  const [size, channels] = [16, 3];
  const image = drawn(size * size * channels);
  const said = judge(t, SHRINK, [JSON.stringify([...image]), String(size), String(channels), '2', '4']);
  if (said === undefined) return;
  const ours = [8, 4].map((side) => [...pixelsOf(image, size, channels, side)]);
  assert.deepEqual(ours, JSON.parse(said));
});

test('a shrunk image is rounded once, after its grey levels are averaged', () => {
  const image = Float32Array.from([10.4, 10.4, 10.4, 10.9], (grey) => (grey - 127.5) / 127.5);
  assert.deepEqual([...pixelsOf(image, 2, 1, 1)], [11], 'the mean of the rounded ones is 10.25');
});

test('an image that is smaller than asked for is enlarged by repeating pixels, each channel for itself', () => {
  const image = Float32Array.from([0, 1, 1, 0, 0, 1, 1, 0], (value) => value * 2 - 1);
  // [2, 2, 2]: the second channel is the inverse of the first.
  assert.deepEqual(
    [...pixelsOf(image, 2, 2, 4)],
    [
      [0, 0, 255, 255],
      [0, 0, 255, 255],
      [0, 0, 255, 255],
      [0, 0, 255, 255],
      [255, 255, 0, 0],
      [255, 255, 0, 0],
      [255, 255, 0, 0],
      [255, 255, 0, 0],
    ].flat(),
  );
});

test('images are as large as the network draws them unless a smaller size is asked for; a larger one is refused with the remedy', () => {
  assert.equal(sideOf({}, { resolution: 512 }), 512);
  assert.equal(sideOf({ resolution: 512 }, { resolution: 512 }), 512);
  assert.equal(sideOf({ resolution: 64 }, { resolution: 512 }), 64);
  assert.throws(() => sideOf({ resolution: 1024 }, { resolution: 512 }), {
    code: 'OptionsInvalid',
    message: /spec.resolution is 1024, but the network draws 512x512: set it to 512 or a smaller power of two, or leave it out/,
  });
});

/** The original's out_mul, out_add, out_shrink and out_dtype. */
const SHRINK = `
import json, sys
import tensorflow as tf
values, size, channels = json.loads(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
def shrunk(shrink):
    x = tf.reshape(tf.constant(values, tf.float32), [1, size, size, channels]) * 127.5 + 127.5
    x = tf.nn.avg_pool2d(x, shrink, shrink, 'VALID')
    x = tf.saturate_cast(tf.round(x), tf.uint8)
    return tf.reshape(tf.transpose(x, [0, 3, 1, 2]), [-1]).numpy().tolist()
print(json.dumps([shrunk(int(each)) for each in sys.argv[4:]]))
`;
