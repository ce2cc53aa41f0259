"""The training step of PG-GAN in TensorFlow: losses, gradients, Adam in its TF1 form and the average of G, traced once by tf.function."""

import numpy as np
import tensorflow as tf

from twin_networks import blend, downscale, generator, prepare_discriminator, upscale


class Twin:
    """`case` is what bench/twin.ts sends: options, weights (`specs`), resolution, minibatch, fading, precision and whether XLA compiles."""

    def __init__(self, case):
        self.case = case
        self.nets, self.loss, self.adam = case["nets"], case["loss"], case["optimizer"]
        self.mixed = case["precision"] == "BFloat16Mixed"
        self.specs = case["specs"]
        random = np.random.RandomState(1)
        variable = lambda spec: tf.Variable(random.standard_normal(spec["shape"]).astype(np.float32) * np.float32(spec["std"]), trainable=False)
        zeros = lambda spec: tf.Variable(tf.zeros(spec["shape"]), trainable=False)
        each = lambda network, make: {spec["name"]: make(spec) for spec in self.specs[network]}
        self.weights = {network: each(network, variable) for network in "GD"}
        self.average = {name: tf.Variable(w, trainable=False) for name, w in self.weights["G"].items()}
        self.m = {network: each(network, zeros) for network in "GD"}
        self.v = {network: each(network, zeros) for network in "GD"}
        compiled = {"jit_compile": True} if case["xla"] else {}
        self.discriminator = tf.function(self._discriminator, autograph=False, **compiled)
        self.generator = tf.function(self._generator, autograph=False, **compiled)
        self.losses = tf.function(self._losses, autograph=False, **compiled)

    def used(self, network):
        return {s["name"]: self.weights[network][s["name"]].read_value() for s in self.specs[network] if s["used"]}

    def images(self, weights, feeds):
        return generator(self.nets["G"], self.specs["G"], weights, self.mixed, self.case["resolution"], feeds["latents"], feeds.get("labels"), feeds.get("fade"))

    def judge(self, weights, feeds):
        return prepare_discriminator(self.nets["D"], self.specs["D"], weights, self.mixed, self.case["resolution"], feeds.get("fade"))

    def d_loss(self, G, D, feeds):
        loss, judge = self.loss, self.judge(D, feeds)
        fakes = tf.stop_gradient(self.images(G, feeds))
        reals = feeds["reals"]
        (real, real_labels), (fake, fake_labels) = judge(reals), judge(fakes)
        mixed = reals + (fakes - reals) * feeds["mixing"]
        mixed_scores, _ = judge(mixed)
        gradient = tf.gradients(tf.reduce_sum(mixed_scores), mixed)[0]
        norms = tf.sqrt(tf.reduce_sum(tf.square(gradient), [1, 2, 3])) * (self.case["resolution"] / self.nets["D"]["resolution"])
        penalty, drift = tf.square(norms - loss["wganTarget"]), tf.square(real)
        value = tf.reduce_mean(fake - real) + tf.reduce_mean(penalty) * (loss["wganLambda"] / loss["wganTarget"] ** 2)
        value += tf.reduce_mean(drift) * loss["wganEpsilon"]
        terms = {"real_scores": real, "fake_scores": fake, "mixed_scores": mixed_scores, "mixed_norms": norms, "epsilon_penalty": drift}
        if "labels" in feeds:
            terms["label_penalty_reals"] = tf.nn.softmax_cross_entropy_with_logits(feeds["labels"], real_labels)
            terms["label_penalty_fakes"] = tf.nn.softmax_cross_entropy_with_logits(feeds["labels"], fake_labels)
            value += (tf.reduce_mean(terms["label_penalty_reals"]) + tf.reduce_mean(terms["label_penalty_fakes"])) * loss["condWeight"]
        return value, terms

    def g_loss(self, G, D, feeds):
        scores, labels = self.judge(D, feeds)(self.images(G, feeds))
        value = -tf.reduce_mean(scores)
        if "labels" in feeds:
            value += tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(feeds["labels"], labels)) * self.loss["condWeight"]
        return value, {"fake_scores": scores}

    def update(self, network, gradients, feeds):
        """Skipped as a whole when any gradient is not finite."""
        finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(g)) for g in gradients.values()])

        def apply():
            for name, gradient in gradients.items():
                tf.raw_ops.ResourceApplyAdam(
                    var=self.weights[network][name].handle,
                    m=self.m[network][name].handle,
                    v=self.v[network][name].handle,
                    beta1_power=feeds["beta1Power"],
                    beta2_power=feeds["beta2Power"],
                    lr=feeds["learningRate"],
                    beta1=self.adam["beta1"],
                    beta2=self.adam["beta2"],
                    epsilon=self.adam["epsilon"],
                    grad=gradient,
                )
            return tf.constant(1.0)

        return tf.cond(finite, apply, lambda: tf.constant(0.0))

    def _discriminator(self, feeds):
        feeds = {**feeds, "reals": process_reals(feeds["reals"], feeds.get("fade"))}
        D = self.used("D")
        value, terms = self.d_loss(self.used("G"), D, feeds)
        finite = self.update("D", gradients_of(value, D), feeds)
        for name, average in self.average.items():
            average.assign_sub((average - self.weights["G"][name]) * (1 - self.case["averagingDecay"]))
        return tf.stack([finite, value, *[tf.reduce_mean(term) for term in terms.values()]])

    def _generator(self, feeds):
        G = self.used("G")
        value, terms = self.g_loss(G, self.used("D"), feeds)
        finite = self.update("G", gradients_of(value, G), feeds)
        return tf.stack([finite, value, *[tf.reduce_mean(term) for term in terms.values()]])

    def _losses(self, D_feeds, G_feeds):
        """What a golden case holds for a level of detail; reals come in [-1, 1]."""
        G, D = self.used("G"), self.used("D")
        d, terms = self.d_loss(G, D, D_feeds)
        g, _ = self.g_loss(G, D, G_feeds)
        scores, labels = self.judge(D, D_feeds)(D_feeds["reals"])
        images = self.images(G, D_feeds)
        return images, scores, labels, d, g, terms, gradients_of(d, D), gradients_of(g, G)


def gradients_of(value, weights):
    return dict(zip(weights, tf.gradients(value, list(weights.values()))))


def process_reals(pixels, fade):
    x = pixels * (1 / 127.5) - 1
    return x if fade is None else blend(x, upscale(downscale(x)), fade)
