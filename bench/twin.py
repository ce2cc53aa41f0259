"""The twin of the training step in Python TensorFlow, a process that bench/twin.ts talks to in lines of JSON: a case, then how often to run it."""

import json
import os
import sys
import time

import numpy as np
import tensorflow as tf

from twin_data import read
from twin_golden import replay
from twin_step import Twin


def main():
    threads = int(os.environ["TF_NUM_INTRAOP_THREADS"])
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    request = json.loads(sys.stdin.readline())
    if "golden" in request:
        return answer(replay(request))
    if "data" in request:
        answer(read(request))
        for line in sys.stdin:
            answer(read(json.loads(line)))
        return None
    twin, feeds = Twin(request), example_feeds(request)
    start = time.perf_counter()
    iterate(twin, feeds)
    answer({"firstSeconds": time.perf_counter() - start, "peakBytes": peak_bytes()})
    for line in sys.stdin:
        seconds = []
        for _ in range(json.loads(line)["iterations"]):
            start = time.perf_counter()
            iterate(twin, feeds)
            seconds.append(time.perf_counter() - start)
        answer({"seconds": seconds, "peakBytes": peak_bytes()})


def iterate(twin, feeds):
    """One D step and one G step, from arrays on the host to scalars on the host."""
    for step, run in (("discriminator", twin.discriminator), ("generator", twin.generator)):
        scalars = run({name: tf.constant(value) for name, value in feeds[step].items()}).numpy()
        if not np.all(np.isfinite(scalars)):
            raise FloatingPointError("the %s step gave %s" % (step, scalars))


def example_feeds(case):
    random = np.random.RandomState(2)
    net, n, r = case["nets"]["G"], case["minibatch"], case["resolution"]
    common = {
        "latents": random.standard_normal([n, net["latentSize"]]).astype(np.float32),
        "learningRate": np.float32(1e-4),
        "beta1Power": np.float32(case["optimizer"]["beta1"]),
        "beta2Power": np.float32(case["optimizer"]["beta2"]),
    }
    if case["fading"]:
        common["fade"] = np.float32(0.5)
    reals = random.randint(0, 256, [n, r, r, net["channels"]]).astype(np.float32)
    mixing = random.uniform(size=[n, 1, 1, 1]).astype(np.float32)
    return {"generator": common, "discriminator": {**common, "reals": reals, "mixing": mixing}}


def peak_bytes():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))


def answer(value):
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
