"""Both networks of PG-GAN (Karras et al. 2018, table 2) in TensorFlow as a careful TensorFlow user writes them: channels last, at the current resolution."""

import math

import numpy as np
import tensorflow as tf


class Layers:
    """Weights made ready once per step, and the layers that use them. `net` holds the options of the network, `specs` name, shape and scale."""

    def __init__(self, net, specs, weights, mixed):
        self.net = net
        self.mixed = mixed
        self.ready = {s["name"]: self._prepare(s, weights[s["name"]]) for s in specs if s["name"] in weights}

    def _prepare(self, spec, stored):
        w = stored if spec["scale"] == 1 else stored * np.float32(spec["scale"])
        if spec["name"].endswith("/Conv0_up/weight"):
            w = fused(w, 1.0)
        if spec["name"].endswith("/Conv1_down/weight"):
            w = fused(w, 0.25)
        return self.compute(w, spec["resolution"])

    def compute(self, x, resolution):
        """bfloat16 above 4x4 in mixed precision."""
        return tf.cast(x, tf.bfloat16) if self.mixed and resolution > 4 else x

    def conv(self, x, name):
        return tf.nn.conv2d(x, self.ready[name + "/weight"], 1, "SAME")

    def conv_up(self, x, name):
        w = self.ready[name + "/weight"]
        n, height, width, _ = x.shape
        return tf.nn.conv2d_transpose(x, w, [n, 2 * height, 2 * width, w.shape[2]], 2, "SAME")

    def conv_down(self, x, name):
        return tf.nn.conv2d(x, self.ready[name + "/weight"], 2, "SAME")

    def bias(self, x, name):
        return tf.nn.bias_add(x, self.ready[name + "/bias"])

    def rgb(self, prefix, at):
        return "%s_lod%d" % (prefix, math.log2(self.net["resolution"] // at))


SHIFTS = np.zeros([16, 9], np.float32)
for _i in range(3):
    for _j in range(3):
        for _dy in range(2):
            for _dx in range(2):
                SHIFTS[(_i + _dy) * 4 + _j + _dx, _i * 3 + _j] = 1


def fused(kernel, scale):
    """The sum of the four shifted copies of a 3x3 kernel: [4, 4, A, B]. One product; pads and their gradients' slices are slower."""
    _, _, a, b = kernel.shape
    return tf.reshape(tf.matmul(tf.constant(SHIFTS * np.float32(scale)), tf.reshape(kernel, [9, a * b])), [4, 4, a, b])


def leaky(x):
    """TensorFlow's gradient kernel for bfloat16 is not vectorised: maximum is faster there."""
    return tf.maximum(x, x * tf.constant(0.2, x.dtype)) if x.dtype == tf.bfloat16 else tf.nn.leaky_relu(x, 0.2)


def pixel_norm(x, epsilon):
    return x * tf.math.rsqrt(tf.reduce_mean(tf.square(x), -1, keepdims=True) + tf.constant(epsilon, x.dtype))


def upscale(x):
    """By broadcasting: XLA has no gradient of ResizeNearestNeighbor."""
    n, height, width, c = x.shape
    return tf.reshape(tf.broadcast_to(tf.reshape(x, [n, height, 1, width, 1, c]), [n, height, 2, width, 2, c]), [n, 2 * height, 2 * width, c])


def downscale(x):
    return tf.nn.avg_pool2d(x, 2, 2, "VALID")


def blend(a, b, fade):
    fade = tf.cast(fade, a.dtype)
    return a + (tf.cast(b, a.dtype) - a) * fade


def blocks(resolution):
    return [2**k for k in range(3, int(math.log2(resolution)) + 1)]


def generator(net, specs, weights, mixed, resolution, latents, labels=None, fade=None):
    """latents [N, L] -> images [N, r, r, C], float32."""
    layers = Layers(net, specs, weights, mixed)

    def act(x, name):
        y = layers.bias(x, name)
        y = leaky(y) if net["useLeakyRelu"] else tf.nn.relu(y)
        return pixel_norm(y, net["pixelnormEpsilon"]) if net["usePixelnorm"] else y

    def to_rgb(x, at):
        name = layers.rgb("ToRGB", at)
        return tf.cast(layers.bias(layers.conv(x, name), name), tf.float32)

    x = latents if labels is None else tf.concat([latents, labels], 1)
    if net["normalizeLatents"]:
        x = pixel_norm(x, net["pixelnormEpsilon"])
    x = tf.matmul(x, layers.ready["4x4/Dense/weight"])
    x = tf.transpose(tf.reshape(x, [x.shape[0], -1, 4, 4]), [0, 2, 3, 1])
    x = act(x, "4x4/Dense")
    x = act(layers.conv(x, "4x4/Conv"), "4x4/Conv")
    previous = x
    for at in blocks(resolution):
        previous, block = x, "%dx%d" % (at, at)
        x = layers.compute(x, at)
        if net["fusedScale"]:
            x = act(layers.conv_up(x, block + "/Conv0_up"), block + "/Conv0_up")
        else:
            x = act(layers.conv(upscale(x), block + "/Conv0"), block + "/Conv0")
        x = act(layers.conv(x, block + "/Conv1"), block + "/Conv1")
    images = to_rgb(x, resolution)
    return images if fade is None else blend(images, upscale(to_rgb(previous, resolution // 2)), fade)


def prepare_discriminator(net, specs, weights, mixed, resolution, fade=None):
    """The discriminator as a function: images [N, r, r, C] -> scores [N, 1], label logits [N, labelSize]."""
    layers = Layers(net, specs, weights, mixed)

    def act(x, name):
        return leaky(layers.bias(x, name))

    def from_rgb(images, at):
        name = layers.rgb("FromRGB", at)
        return act(layers.conv(layers.compute(images, at), name), name)

    def judge(images):
        x = from_rgb(images, resolution)
        for at in reversed(blocks(resolution)):
            block = "%dx%d" % (at, at)
            x = act(layers.conv(x, block + "/Conv0"), block + "/Conv0")
            if net["fusedScale"]:
                x = act(layers.conv_down(x, block + "/Conv1_down"), block + "/Conv1_down")
            else:
                x = downscale(act(layers.conv(x, block + "/Conv1"), block + "/Conv1"))
            if at == resolution and fade is not None:
                x = blend(x, from_rgb(downscale(images), at // 2), fade)
        x = tf.cast(x, tf.float32)
        if net["mbstdGroupSize"] > 1:
            x = minibatch_stddev(x, net["mbstdGroupSize"])
        x = act(layers.conv(x, "4x4/Conv"), "4x4/Conv")
        x = tf.reshape(tf.transpose(x, [0, 3, 1, 2]), [x.shape[0], -1])
        x = act(tf.matmul(x, layers.ready["4x4/Dense0/weight"]), "4x4/Dense0")
        x = layers.bias(tf.matmul(x, layers.ready["4x4/Dense1/weight"]), "4x4/Dense1")
        return x[:, :1], x[:, 1:]

    return judge


def minibatch_stddev(x, group_size):
    n, height, width, c = x.shape
    group = min(group_size, n)
    samples = tf.reshape(x, [group, n // group, height, width, c])
    deviation = samples - tf.reduce_mean(samples, 0, keepdims=True)
    stddev = tf.sqrt(tf.reduce_mean(tf.square(deviation), 0) + 1e-8)
    statistic = tf.reduce_mean(stddev, [1, 2, 3], keepdims=True)
    return tf.concat([x, tf.tile(statistic, [group, height, width, 1])], 3)
