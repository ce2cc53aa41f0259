/** In-place updates of variables: Adam in its TF1 form, the moving average of weights, and what skips an update that is not finite. */
import * as tf from '@tensorflow/tfjs';
import { attribute, DTYPE, type NativeBackend, native } from './native.ts';
import type { Variable } from './program.ts';
import { resourceOf } from './variables.ts';

/** A hyperparameter: a number is fixed when the step is traced, a scalar tensor can change from step to step. */
type Hyperparameter = number | tf.Tensor;

/** What one update of a network has in common for all its weights. */
type AdamRates = {
  /** beta1^t and beta2^t of this step, t counted from 1. */
  readonly beta1Power: Hyperparameter;
  readonly beta2Power: Hyperparameter;
  readonly learningRate: Hyperparameter;
  readonly beta1: Hyperparameter;
  readonly beta2: Hyperparameter;
  readonly epsilon: Hyperparameter;
};

type WeightUpdate = {
  readonly variable: Variable;
  /** First and second moment, shaped as the variable. */
  readonly m: Variable;
  readonly v: Variable;
  readonly gradient: tf.Tensor;
};

/**
 * Adam as TensorFlow 1 has it (Kingma & Ba 2015, the form at the end of section 2): alpha = lr * sqrt(1 - beta2^t) / (1 - beta1^t),
 * m += (g - m)(1 - beta1), v += (g^2 - v)(1 - beta2), w -= m * alpha / (sqrt(v) + epsilon): epsilon stands outside the bias correction.
 */
export function applyAdam(rates: AdamRates, update: WeightUpdate): void {
  tf.tidy(() => {
    const backend = native();
    if (backend) resourceApplyAdam(backend, rates, update);
    else plainAdam(rates, update);
  });
}

/**
 * Adam on each weight where the scalar `ok` is 1; where it is 0 variables and moments keep their bits, whatever the gradients hold (NaN,
 * infinity). Only what TensorFlow never computes itself is lost: numbers below 1.2e-38 and the sign of zero.
 */
export function applyAdamIf(ok: tf.Tensor, rates: AdamRates, updates: readonly WeightUpdate[]): void {
  tf.tidy(() => {
    const apply = tf.cast(ok, 'bool');
    const where = (value: Hyperparameter, otherwise: number) => tf.where(apply, scalar(value), tf.scalar(otherwise));
    // Chosen once for all weights: an update that changes nothing has rate 0 and betas 1.
    const chosen: AdamRates = {
      learningRate: where(rates.learningRate, 0),
      beta1: where(rates.beta1, 1),
      beta2: where(rates.beta2, 1),
      beta1Power: where(rates.beta1Power, 0),
      beta2Power: where(rates.beta2Power, 0),
      epsilon: scalar(rates.epsilon),
    };
    for (const update of updates) tf.tidy(() => applyAdam(chosen, { ...update, gradient: zeroUnless(ok, update.gradient) }));
  });
}

/** 1 where no tensor holds a NaN or an infinity, else 0. */
export function allFinite(tensors: readonly tf.Tensor[]): tf.Scalar {
  return tf.tidy(() => {
    const each = tensors.map((tensor) => tf.cast(tf.all(tf.isFinite(tensor)), 'float32'));
    return tf.min(tf.stack([tf.scalar(1), ...each]));
  });
}

/** variable += (target - variable) * amount: one step of an exponential moving average with decay 1 - amount. */
export function applyLerp(variable: Variable, target: tf.Tensor, amount: Hyperparameter): void {
  tf.tidy(() => {
    const backend = native();
    // What was read goes at once: an update in place copies a variable that is still being read.
    const difference = tf.tidy(() => tf.sub(backend ? variable.read() : target, backend ? target : variable.read()));
    if (!backend) return variable.assign(tf.add(variable.read(), tf.mul(difference, scalar(amount))));
    descend(backend, variable, scalar(amount), difference);
  });
}

/** variable += addend * factor, in place. */
export function applySum(variable: Variable, addend: tf.Tensor, factor: number): void {
  tf.tidy(() => {
    const backend = native();
    if (!backend) return variable.assign(tf.add(variable.read(), tf.mul(addend, factor)));
    descend(backend, variable, scalar(-factor), addend);
  });
}

/** variable -= step * gradient. */
function descend(backend: NativeBackend, variable: Variable, step: tf.Tensor, gradient: tf.Tensor): void {
  const attributes = [attribute.type('T', DTYPE.float32), attribute.bool('use_locking', false)];
  execute(backend, 'ResourceApplyGradientDescent', attributes, [variable], [step, gradient]);
}

function resourceApplyAdam(backend: NativeBackend, rates: AdamRates, { variable, m, v, gradient }: WeightUpdate): void {
  const { beta1Power, beta2Power, learningRate, beta1, beta2, epsilon } = rates;
  const attributes = [attribute.type('T', DTYPE.float32), attribute.bool('use_locking', false), attribute.bool('use_nesterov', false)];
  const scalars = [beta1Power, beta2Power, learningRate, beta1, beta2, epsilon].map(scalar);
  execute(backend, 'ResourceApplyAdam', attributes, [variable, m, v], [...scalars, gradient]);
}

function plainAdam(rates: AdamRates, { variable, m, v, gradient }: WeightUpdate): void {
  const { beta1Power, beta2Power, learningRate, beta1, beta2, epsilon } = rates;
  const one = tf.scalar(1);
  const towards = (moment: Variable, value: tf.Tensor, beta: Hyperparameter): tf.Tensor => {
    const before = moment.read();
    const after = tf.add(before, tf.mul(tf.sub(value, before), tf.sub(one, scalar(beta))));
    moment.assign(after);
    return after;
  };
  const alpha = tf.div(tf.mul(scalar(learningRate), tf.sqrt(tf.sub(one, scalar(beta2Power)))), tf.sub(one, scalar(beta1Power)));
  const first = towards(m, gradient, beta1);
  const second = towards(v, tf.square(gradient), beta2);
  variable.assign(tf.sub(variable.read(), tf.div(tf.mul(first, alpha), tf.add(tf.sqrt(second), scalar(epsilon)))));
}

/** x where ok is 1, 0 where ok is 0, also for a NaN or an infinity in x. */
function zeroUnless(ok: tf.Tensor, x: tf.Tensor): tf.Tensor {
  const backend = native();
  if (backend) return backend.executeSingleOutput('MulNoNan', [attribute.type('T', DTYPE.float32)], [x, ok]);
  return tf.where(tf.cast(ok, 'bool'), x, tf.zerosLike(x));
}

function execute(
  backend: NativeBackend,
  op: string,
  attributes: Parameters<NativeBackend['executeSingleOutput']>[1],
  variables: readonly Variable[],
  inputs: readonly tf.Tensor[],
): void {
  const handles = variables.map((variable) => {
    const handle = resourceOf(variable);
    if (handle === undefined) throw new Error(`variable ${variable.name} is none of the native backend`);
    return handle;
  });
  backend.binding.executeOp(op, attributes, [...handles, ...backend.getInputTensorIds(inputs)], 0);
}

const scalar = (value: Hyperparameter): tf.Tensor => (typeof value === 'number' ? tf.scalar(value) : value);
