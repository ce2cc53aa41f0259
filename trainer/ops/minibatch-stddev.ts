/** Minibatch standard deviation (Karras et al. 2018, section 3): one more channel that tells the discriminator how varied a group is. */
import * as tf from '@tensorflow/tfjs';

const EPSILON = 1e-8;

/**
 * Appends to x [N, H, W, C] the mean standard deviation of each sample's group: [N, H, W, C + 1]. Groups are strided: of M = N / groupSize
 * groups, sample n belongs to group n mod M. A group is the whole minibatch where that is smaller than `groupSize`.
 */
export function appendMinibatchStddev(x: tf.Tensor4D, groupSize: number): tf.Tensor4D {
  const [n, height, width, channels] = x.shape;
  const group = Math.min(groupSize, n);
  if (n % group !== 0) throw new RangeError(`a minibatch of ${n} does not divide into minibatch-stddev groups of ${group}`);
  const groups = n / group;
  const samples = x.reshape([group, groups, height * width * channels]);
  const deviation = tf.sub(samples, tf.mean(samples, 0, true));
  const stddev = tf.sqrt(tf.add(tf.mean(tf.square(deviation), 0), EPSILON));
  const statistic = tf.mean(stddev, 1).reshape([1, groups, 1]);
  // Adding to zeros is a broadcast whose second derivative tfjs knows; it knows none for tiling.
  const channel = tf.add(tf.zeros([group, groups, height * width]), statistic).reshape([n, height, width, 1]) as tf.Tensor4D;
  return tf.concat([x, channel], 3);
}
