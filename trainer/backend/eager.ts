/** A program that runs its steps op by op, as written: the readable definition, the debugging mode and the wasm path. */
import * as tf from '@tensorflow/tfjs';
import { checkFeeds, signatureOf, type Signature } from './feeds.ts';
import type { Outputs, Program, ProgramDefinition, StepFunction } from './program.ts';
import { checkValues } from './values.ts';
import { createVariables } from './variables.ts';

export function eagerProgram(definition: ProgramDefinition): Program {
  const owned = createVariables(definition.variables);
  const { variables } = owned;
  const steps = new Map(
    Object.entries(definition.steps(variables)).map(([name, run]) => [name, { run, signature: undefined as Signature | undefined }]),
  );
  return {
    run(name, feeds) {
      const step = steps.get(name);
      if (!step) throw new RangeError(`there is no step ${name}: there are ${[...steps.keys()].join(', ')}`);
      step.signature ??= exampleSignature(definition, name);
      checkFeeds(name, step.signature, feeds);
      return runStep(step.run, feeds);
    },
    read(names = Object.keys(variables)) {
      return new Map(names.map((name) => [name, hostCopy(() => known(name).read())]));
    },
    write(values) {
      checkValues(definition.variables, values);
      for (const [name, value] of values) tf.tidy(() => known(name).assign(tf.tensor(value, [...known(name).shape], 'float32')));
    },
    dispose: () => owned.dispose(),
  };

  function known(name: string) {
    const variable = variables[name];
    if (!variable) throw new RangeError(`there is no variable ${name}`);
    return variable;
  }
}

/** Runs a step so that nothing is left behind but its outputs, none of which is a feed or another output. */
export function runStep(step: StepFunction, feeds: Readonly<Record<string, tf.Tensor>>): Outputs {
  return tf.tidy(() => {
    const taken = new Set<tf.Tensor>(Object.values(feeds));
    const outputs: Outputs = {};
    for (const [name, output] of Object.entries(step(feeds))) {
      outputs[name] = taken.has(output) ? output.clone() : output;
      taken.add(output);
    }
    return outputs;
  });
}

function exampleSignature(definition: ProgramDefinition, step: string): Signature {
  const example = definition.example(step, 0);
  try {
    return signatureOf(example);
  } finally {
    tf.dispose(example);
  }
}

function hostCopy(read: () => tf.Tensor): Float32Array {
  const tensor = tf.tidy(read);
  try {
    return tensor.dataSync<'float32'>().slice();
  } finally {
    tensor.dispose();
  }
}
