/** A loss, its terms and its gradients in one pass. */
import * as tf from '@tensorflow/tfjs';

type Terms = Readonly<Record<string, tf.Tensor | undefined>>;

/**
 * Evaluates `f` and differentiates its loss with respect to `weights`. `gradients` holds the weights that the loss depends on; the others'
 * are zero. Everything returned belongs to the scope of the caller.
 */
export function lossAndGradients<T extends Terms>(
  weights: Readonly<Record<string, tf.Tensor>>,
  f: (weights: Readonly<Record<string, tf.Tensor>>) => { readonly loss: tf.Scalar; readonly terms: T },
): { readonly value: tf.Scalar; readonly terms: T; readonly gradients: Record<string, tf.Tensor> } {
  const names = Object.keys(weights);
  const kept: Record<string, tf.Tensor | undefined> = {};
  const lossOnly = (): tf.Scalar => {
    const { loss, terms } = f(weights);
    // The engine disposes all of the forward pass but its one result.
    for (const [name, term] of Object.entries(terms)) kept[name] = term && tf.keep(term);
    return loss;
  };
  const { value, grads } = tf.engine().gradients(lossOnly, Object.values(weights), undefined, true);
  const found = names.flatMap((name, index) => (grads[index] ? [[name, grads[index]] as const] : []));
  return { value, terms: releaseAll(kept) as T, gradients: Object.fromEntries(found) };
}

/** Hands kept tensors back to the caller's scope. */
function releaseAll(kept: Terms): Terms {
  return Object.fromEntries(Object.entries(kept).map(([name, tensor]) => [name, tensor && release(tensor)]));
}

function release(kept: tf.Tensor): tf.Tensor {
  const scoped = tf.clone(kept);
  kept.dispose();
  return scoped;
}
