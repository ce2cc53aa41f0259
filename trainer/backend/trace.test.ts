import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import * as tf from '@tensorflow/tfjs';
import { prepareBackend } from './backend.ts';
import { compileProgram } from './compile.ts';
import { attribute, native } from './native.ts';
import type { StepFunction, Variables } from './program.ts';
import { createVariables } from './variables.ts';

before(async () => {
  await prepareBackend({ threads: 2, want: 'native' });
});

function trace(steps: (variables: Variables) => StepFunction): void {
  const program = compileProgram({
    mode: 'graph',
    variables: { w: [2] },
    steps: (variables) => ({ step: steps(variables) }),
    example: (_, variant) => ({ x: tf.tensor1d([variant, 2]) }),
  });
  program.dispose();
}

/** Tracing the step is refused with a message that matches and that names this file; nothing is left behind. */
function refused(behaviour: string, steps: (variables: Variables) => StepFunction, message: RegExp): void {
  test(behaviour, () => {
    const addon = native()!.binding;
    const handles = addon.getNumOfTensors();
    assert.throws(
      () => trace(steps),
      (error: Error) => {
        assert.match(error.message, message);
        assert.match(error.message, /trace\.test\.ts:\d+/);
        return true;
      },
    );
    assert.equal(native()!.binding, addon);
    assert.ok(addon.getNumOfTensors() - handles <= 4, 'only the tensors that the failed step made itself may stay');
  });
}

refused(
  'a step that reads a tensor on the host is refused',
  () =>
    ({ x }) => ({ y: tf.mul(x!, tf.sum(x!).dataSync()[0]!) }),
  /step step reads step\/Sum_\d+ on the host/,
);

refused(
  'so is one that reads a feed',
  () =>
    ({ x }) => ({ y: tf.mul(x!, x!.dataSync()[0]!) }),
  /reads step\/in\/x on the host/,
);

let calls = 0;
refused(
  'a number that JavaScript computes anew each time is found, with the op that uses it',
  () =>
    ({ x }) => ({ y: tf.mul(x!, 0.9 ** ++calls) }),
  /value that changes from run to run: .*constant_\d+, used by step\/Mul_\d+/,
);

refused(
  'a random number of JavaScript is found',
  () =>
    ({ x }) => ({ y: tf.add(x!, tf.randomNormal([2])) }),
  /drawn at random/,
);

refused(
  'a random op of TensorFlow is refused',
  () =>
    ({ x }) => ({ y: x!, z: tf.multinomial(tf.tensor1d([0.5, 0.5]), 3, 7) }),
  /draws random numbers \(Multinomial\)/,
);

let even = false;
refused(
  'a branch on JavaScript state is found',
  () =>
    ({ x }) => {
      even = !even;
      return { y: even ? tf.neg(x!) : tf.abs(x!) };
    },
  /takes another path each time/,
);

refused(
  'a variable made inside a step is refused',
  () =>
    ({ x }) => {
      createVariables({ inner: [2] });
      return { y: x! };
    },
  /creates a variable/,
);

test('a tf.Variable that a step reads or assigns is refused by its name', () => {
  const variable = tf.variable(tf.zeros([2]), true, 'stray');
  assert.throws(
    () =>
      trace(() => ({ x }) => ({ y: tf.add(x!, variable) })),
    /uses tf\.Variable stray/,
  );
  assert.throws(
    () =>
      trace(() => ({ x }) => {
        variable.assign(tf.keep(tf.neg(x!)));
        return { y: tf.abs(x!) };
      }),
    /assigns tf\.Variable stray/,
  );
  variable.dispose();
});

test('a variable of another program is refused', () => {
  const other = createVariables({ foreign: [2] });
  assert.throws(
    () =>
      trace(() => ({ x }) => ({ y: tf.add(x!, other.variables['foreign']!.read()) })),
    /uses a variable of another program/,
  );
  other.dispose();
});

test('a tensor that a step keeps for the next one is a constant: caches that fill in the first run are no fault', () => {
  let cache: tf.Tensor | undefined;
  trace(() => ({ x }) => {
    cache ??= tf.keep(tf.add(tf.ones([2]), 1));
    return { y: tf.mul(x!, cache) };
  });
  cache!.dispose();
});

test('a step that draws from its feeds alone may use stateless random ops', () => {
  const seed = [attribute.type('T', 3), attribute.type('Tseed', 3), attribute.type('dtype', 1)];
  trace(() => ({ x }) => ({
    y: native()!.executeSingleOutput('StatelessRandomNormal', seed, [tf.tensor1d([2], 'int32'), tf.cast(x!, 'int32')]),
  }));
});
