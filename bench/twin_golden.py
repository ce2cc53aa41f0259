"""Computes with the twin what a golden case holds (images, terms, gradients, three training iterations) and writes it under the case's own names."""

import math

import numpy as np
import tensorflow as tf
from safetensors.numpy import load_file, save_file

from twin_networks import downscale, upscale
from twin_step import Twin

ITERATIONS = 3


def replay(request):
    """`request`: the golden file, the file to write, and for each level of detail a case as bench/twin.ts makes it."""
    golden, found = load_file(request["golden"]), {}
    for lod, case in request["losses"].items():
        twin = started(golden, case)
        found.update(losses(golden, twin, "lod" + lod, float(lod)))
    for lod, case in request["training"].items():
        twin = started(golden, case)
        found.update(training(golden, twin, "train_lod" + lod, float(lod)))
    save_file({name: np.ascontiguousarray(value, np.float32) for name, value in found.items()}, request["out"])
    return {"values": len(found)}


def started(golden, case):
    twin = Twin(case)
    for network in "GD":
        for name, weight in twin.weights[network].items():
            weight.assign(golden["weights/%s/%s" % (network, name)])
    for name, average in twin.average.items():
        average.assign(golden["weights/G/" + name])
    return twin


def losses(golden, twin, at, lod):
    D = {**common(golden, twin, at, "D", lod), "reals": current(golden[at + "/in/reals"], twin), "mixing": golden[at + "/in/u"]}
    images, scores, labels, d, g, terms, gradients_d, gradients_g = twin.losses(tensors(D), tensors(common(golden, twin, at, "G", lod)))
    out = {"out/G_images": full(images, twin), "out/D_real_scores": scores, "out/D_loss_mean": d, "out/G_loss_mean": g}
    if twin.nets["G"]["labelSize"] > 0:
        out["out/D_real_labels"] = labels
    out.update({"out/terms/" + name: term for name, term in terms.items()})
    out.update({"grad/D/" + name: gradient for name, gradient in gradients_d.items()})
    out.update({"grad/G/" + name: gradient for name, gradient in gradients_g.items()})
    return {"%s/%s" % (at, name): np.asarray(value) for name, value in out.items()}


def training(golden, twin, at, lod):
    found = {}
    for iteration in range(ITERATIONS):
        inputs = "%s/it%d" % (at, iteration)
        rates = {"learningRate": np.float32(twin.case["learningRate"])}
        for beta in ("beta1", "beta2"):
            rates[beta + "Power"] = np.float32(twin.adam[beta] ** (iteration + 1))
        reals = before_fade(current(golden[inputs + "/in/reals"], twin), lod % 1)
        D = {**common(golden, twin, inputs, "D", lod), **rates, "reals": reals, "mixing": golden[inputs + "/in/u"]}
        found[inputs + "/D_loss_mean"] = twin.discriminator(tensors(D))[1]
        found[inputs + "/G_loss_mean"] = twin.generator(tensors({**common(golden, twin, inputs, "G", lod), **rates}))[1]
    for network in "GD":
        found.update({"%s/after/%s/%s" % (at, network, name): w for name, w in twin.weights[network].items()})
        found.update({"%s/adam_m/%s/%s" % (at, network, name): m for name, m in twin.m[network].items()})
        found.update({"%s/adam_v/%s/%s" % (at, network, name): v for name, v in twin.v[network].items()})
        for beta in ("beta1", "beta2"):
            found["%s/adam_%s_power/%s" % (at, beta, network)] = np.float32(twin.adam[beta] ** (ITERATIONS + 1))
    found.update({"%s/after/Gs/%s" % (at, name): w for name, w in twin.average.items()})
    return {name: np.asarray(value) for name, value in found.items()}


def common(golden, twin, at, network, lod):
    feeds = {"latents": golden["%s/in/lat%s" % (at, network)]}
    if twin.nets["G"]["labelSize"] > 0:
        feeds["labels"] = golden["%s/in/lab%s" % (at, network)]
    if lod % 1 > 0:
        feeds["fade"] = np.float32(lod % 1)
    return feeds


def tensors(feeds):
    return {name: tf.constant(value) for name, value in feeds.items()}


def current(images, twin):
    """[N, C, R, R] to [N, r, r, C] by box means."""
    x = tf.transpose(images, [0, 2, 3, 1])
    while x.shape[1] > twin.case["resolution"]:
        x = downscale(x)
    return x.numpy()


def full(images, twin):
    """[N, r, r, C] to [N, C, R, R] by repeating pixels."""
    for _ in range(int(math.log2(twin.nets["G"]["resolution"] // twin.case["resolution"]))):
        images = upscale(images)
    return tf.transpose(images, [0, 3, 1, 2])


def before_fade(faded, fade):
    """The case holds faded reals in [-1, 1]; the step takes pixels and fades them itself. Block means survive the fade, so it can be undone."""
    means = upscale(downscale(faded)).numpy()
    pixels = (means + (faded - means) / (1 - fade) + 1) * 127.5
    if np.abs(pixels - np.rint(pixels)).max() > 0.01:
        raise ValueError("the reals of the golden case are no 8-bit pixels faded by %g" % fade)
    return np.rint(pixels)
