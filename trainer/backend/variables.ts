/** Variables that ops change in place: TensorFlow resources on the native backend, kept tensors elsewhere. */
import * as tf from '@tensorflow/tfjs';
import { attribute, DTYPE, type NativeBackend, native } from './native.ts';
import type { Variable, Variables } from './program.ts';

export type OwnedVariables = { readonly variables: Variables; dispose(): void };

/** Creates float32 variables, all zero. */
export function createVariables(shapes: Readonly<Record<string, readonly number[]>>): OwnedVariables {
  const backend = native();
  const owned = Object.entries(shapes).map(([name, shape]) => (backend ? resource(backend, name, shape) : kept(name, shape)));
  return {
    variables: Object.fromEntries(owned.map((variable) => [variable.name, variable])),
    dispose: () => owned.forEach((variable) => variable.dispose()),
  };
}

/** The native handle of a variable, for ops that update it in place; undefined for kept tensors. */
export function resourceOf(variable: Variable): number | undefined {
  return 'handle' in variable ? (variable as Resource).handle : undefined;
}

type Owned = Variable & { dispose(): void };
type Resource = Owned & { readonly handle: number };

/** TensorFlow keeps resources by this name in one table of the process. */
let created = 0;

function resource(backend: NativeBackend, name: string, shape: readonly number[]): Resource {
  const dtype = attribute.type('dtype', DTYPE.float32);
  const identity = [attribute.string('shared_name', `pggan-${created++}`), attribute.string('container', '')];
  const [made] = backend.binding.executeOp('VarHandleOp', [dtype, attribute.shape('shape', shape), ...identity], [], 1);
  const handle = (made as { readonly id: number }).id;
  const variable: Resource = {
    name,
    shape,
    handle,
    read: () => backend.createOutputTensor(backend.binding.executeOp('ReadVariableOp', [dtype], [handle], 1)[0]!),
    assign(value) {
      checkShape(name, shape, value);
      // A copy, because a tensor made from an array shares its memory: updates in place would change the array, and TensorFlow
      // would give it back to V8 from a thread of its own.
      const copy = backend.executeSingleOutput('DeepCopy', [attribute.type('T', DTYPE.float32)], [value]);
      backend.binding.executeOp('AssignVariableOp', [dtype], [handle, ...backend.getInputTensorIds([copy])], 0);
      copy.dispose();
    },
    dispose() {
      backend.binding.executeOp('DestroyResourceOp', [attribute.bool('ignore_lookup_error', true)], [handle], 0);
      backend.binding.deleteTensor(handle);
    },
  };
  tf.tidy(() => variable.assign(tf.zeros([...shape])));
  return variable;
}

function kept(name: string, shape: readonly number[]): Owned {
  let current = tf.keep(tf.zeros([...shape]));
  return {
    name,
    shape,
    read: () => current.clone(),
    assign(value) {
      checkShape(name, shape, value);
      const next = tf.keep(value.clone());
      current.dispose();
      current = next;
    },
    dispose: () => current.dispose(),
  };
}

function checkShape(name: string, shape: readonly number[], value: tf.Tensor): void {
  if (value.dtype === 'float32' && tf.util.arraysEqual([...shape], value.shape)) return;
  throw new RangeError(`variable ${name} is float32 [${shape.join(', ')}]: it cannot take ${value.dtype} [${value.shape.join(', ')}]`);
}
