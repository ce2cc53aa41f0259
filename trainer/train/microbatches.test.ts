import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import * as fc from 'fast-check';
import { LOSS_DEFAULTS, NETWORK_DEFAULTS, OPTIMIZER_DEFAULTS, type Precision } from '../../crds/run.ts';
import { prepareBackend } from '../backend/backend.ts';
import type { ProgramDefinition } from '../backend/program.ts';
import { beyondTolerance, compared, type Deviation, largestDeviation, NATIVE_TOLERANCES, type Quantity } from '../golden/deviations.ts';
import type { NetworkShape } from '../networks/weights.ts';
import type { HostFeeds } from './host-step.ts';
import { microbatches } from './microbatches.ts';
import { createRandom } from './random.ts';
import { createSession, initialValues, type Scalars, type VariableValues } from './session.ts';
import type { StepOptions } from './step-options.ts';

before(async () => {
  assert.equal((await prepareBackend({ threads: 2, want: 'native' })).kind, 'native');
});

test('microbatches take every sample once and keep every group of the minibatch statistics whole', () => {
  const sizes = fc
    .record({
      groupSize: fc.integer({ min: 0, max: 9 }),
      groupsPerPart: fc.integer({ min: 1, max: 5 }),
      parts: fc.integer({ min: 1, max: 5 }),
    })
    .map(({ groupSize, groupsPerPart, parts }) => {
      const microbatch = Math.max(1, groupSize) * groupsPerPart;
      return { groupSize, microbatch, minibatch: microbatch * parts };
    });
  fc.assert(
    fc.property(sizes, ({ groupSize, microbatch, minibatch }) => {
      const parts = microbatches(minibatch, microbatch, groupSize);
      assert.deepEqual(
        parts.flat().sort((a, b) => a - b),
        Array.from({ length: minibatch }, (_, n) => n),
      );
      const whole = groupsOf(
        Array.from({ length: minibatch }, (_, n) => n),
        groupSize,
      );
      const divided = parts.flatMap((samples) => {
        assert.equal(samples.length, microbatch);
        return groupsOf(samples, groupSize);
      });
      assert.deepEqual(divided.sort(), whole.sort());
    }),
  );
});

/** The samples of each group, as the layer forms them: of M groups, the sample at place i is in group i mod M. */
function groupsOf(samples: readonly number[], groupSize: number): string[] {
  const groups = samples.length / Math.max(1, Math.min(groupSize, samples.length));
  return Array.from({ length: groups }, (_, group) => samples.filter((_, place) => place % groups === group).join());
}

const SHAPE: NetworkShape = { ...NETWORK_DEFAULTS, fmapBase: 64, fmapMax: 16, latentSize: 16, resolution: 8, labelSize: 0 };
const RUNS = [
  { what: 'groups of 4 in microbatches of one group', minibatch: 8, microbatch: 4, shape: {}, fading: false },
  {
    what: 'groups of 2 in microbatches of two groups, fading in',
    minibatch: 12,
    microbatch: 4,
    shape: { mbstdGroupSize: 2 },
    fading: true,
  },
  {
    what: 'no groups, labels, colour and mirror images, one sample at a time',
    minibatch: 3,
    microbatch: 1,
    shape: { mbstdGroupSize: 0, labelSize: 3, channels: 3 as const },
    fading: false,
  },
] as const;

for (const mode of ['eager', 'graph'] as const) {
  for (const { what, minibatch, microbatch, shape, fading } of RUNS) {
    test(`${what} (${mode}) train as the whole minibatch does, within the tolerances of the golden numbers`, () => {
      const options = stepOptions({ ...SHAPE, ...shape }, 'Float32');
      const whole = train(options, mode, { minibatch, fading });
      const inParts = train(options, mode, { minibatch, microbatch, fading });
      assert.deepEqual(beyondTolerance(deviations(inParts, whole)), []);
    });
  }
}

// bfloat16 has 8 bits: each pass rounds its gradients to it, so several passes round more often than one. The sum is float32.
test('in mixed precision microbatches point where the whole minibatch does, within what bfloat16 rounds', () => {
  const options = stepOptions(SHAPE, 'BFloat16Mixed');
  const whole = train(options, 'graph', { minibatch: 8, fading: false });
  const inParts = train(options, 'graph', { minibatch: 8, microbatch: 4, fading: false });
  for (const network of ['D', 'G']) {
    const agreement = cosine(gradient(inParts, network), gradient(whole, network));
    assert.ok(agreement > 0.999, `${network}: ${agreement}`);
  }
  for (const [name, value] of Object.entries(whole.firstScalars)) {
    const deviation = Math.abs((inParts.firstScalars[name] ?? Number.NaN) - value);
    assert.ok(deviation <= 0.01 * Math.abs(value) + 0.01, `${name}: ${deviation}`);
  }
});

test('one value in one microbatch that is not finite skips the whole update, and the next update is as if nothing had been', () => {
  const options = stepOptions(SHAPE, 'Float32');
  const session = createSession(options, 'graph', initialValues(options, createRandom(3)));
  session.enter({ resolution: 8, minibatch: 8, microbatch: 4, fading: false });
  const start = session.snapshot();
  const good = feedsOf(options, 8, false, 0);
  const { reals } = good.discriminator;
  assert.ok(typeof reals === 'object');
  const data = reals.data.with(5 * 64, Number.POSITIVE_INFINITY);
  const skipped = session.step('discriminator', { ...good.discriminator, reals: { ...reals, data } });
  assert.equal(skipped['finite'], 0);
  assert.ok(!Number.isFinite(skipped['loss']));
  const after = session.snapshot();
  assert.deepEqual(changedVariables(start, after, /^(D|adam_.*)\//), []);

  const taken = session.step('discriminator', good.discriminator);
  assert.equal(taken['finite'], 1);
  const other = createSession(options, 'graph', after);
  other.enter({ resolution: 8, minibatch: 8, microbatch: 4, fading: false });
  other.step('discriminator', good.discriminator);
  assert.deepEqual(changedVariables(session.snapshot(), other.snapshot(), /./), []);
  session.dispose();
  other.dispose();
});

test('gathered gradients are no part of what a run saves', () => {
  const options = stepOptions(SHAPE, 'Float32');
  const values = initialValues(options, createRandom(3));
  const session = createSession(options, 'eager', values);
  session.enter({ resolution: 8, minibatch: 8, microbatch: 4, fading: true });
  assert.deepEqual([...session.snapshot().keys()].sort(), [...values.keys()].sort());
  session.enter({ resolution: 8, minibatch: 8, fading: true });
  assert.deepEqual(changedVariables(values, session.snapshot(), /./), []);
  session.dispose();
});

type Trained = {
  readonly scalars: readonly Scalars[];
  readonly firstScalars: Scalars;
  /** After the first iteration, when Adam's first moments are the gradients themselves (beta1 is 0). */
  readonly afterFirst: VariableValues;
  readonly afterLast: VariableValues;
};

function train(
  options: StepOptions,
  mode: ProgramDefinition['mode'],
  key: { readonly minibatch: number; readonly microbatch?: number; readonly fading: boolean },
): Trained {
  const random = createRandom(3);
  const values = new Map(
    [...initialValues(options, random)].map(([name, value]) => [name, name.endsWith('/bias') ? biases(name, value) : value]),
  );
  const session = createSession(options, mode, values);
  session.enter({ resolution: options.shape.resolution, ...key });
  const scalars: Scalars[] = [];
  let afterFirst: VariableValues | undefined;
  for (let iteration = 0; iteration < 3; iteration++) {
    const feeds = feedsOf(options, key.minibatch, key.fading, iteration);
    scalars.push(session.step('discriminator', feeds.discriminator), session.step('generator', feeds.generator));
    afterFirst ??= session.snapshot();
  }
  const afterLast = session.snapshot();
  session.dispose();
  return { scalars, firstScalars: scalars[0] ?? {}, afterFirst: afterFirst ?? afterLast, afterLast };

  /** Weights and biases of zero would hide what the biases do. */
  function biases(name: string, value: Float32Array): Float32Array {
    return name.startsWith('adam_') ? value : random.normal(`biases/${name.replace(/^Gs/, 'G')}`, 0, value.length).map((x) => 0.1 * x);
  }
}

function stepOptions(shape: NetworkShape, precision: Precision): StepOptions {
  const mirrorAugment = shape.channels === 3;
  return { shape, loss: LOSS_DEFAULTS, optimizer: OPTIMIZER_DEFAULTS, averagingDecay: 0.999, precision, mirrorAugment };
}

function feedsOf({ shape, mirrorAugment }: StepOptions, n: number, fading: boolean, iteration: number) {
  const random = createRandom(4);
  const { resolution: r, channels, latentSize, labelSize } = shape;
  const common = (network: string): HostFeeds => ({
    latents: { shape: [n, latentSize], data: random.normal(`latents/${network}`, iteration, n * latentSize) },
    learningRate: 0.001,
    beta1Power: 0,
    beta2Power: 0.99 ** (iteration + 1),
    ...(fading ? { fade: 0.4 } : {}),
    ...(labelSize > 0
      ? {
          labels: {
            shape: [n, labelSize],
            data: Float32Array.from({ length: n * labelSize }, (_, i) => (i % (labelSize + 1) === 0 ? 1 : 0)),
          },
        }
      : {}),
  });
  const discriminator: HostFeeds = {
    ...common('D'),
    reals: { shape: [n, r, r, channels], data: Float32Array.from(random.integers('reals', iteration, n * r * r * channels, 256)) },
    mixing: { shape: [n, 1, 1, 1], data: random.uniform('mixing', iteration, n) },
    ...(mirrorAugment ? { mirror: { shape: [n, 1, 1, 1], data: Float32Array.from({ length: n }, (_, i) => i % 2) } } : {}),
  };
  return { discriminator, generator: common('G') };
}

function deviations(actual: Trained, expected: Trained): readonly Deviation[] {
  return [
    ...expected.scalars.map((scalars, i) =>
      compared(`scalars ${i}`, 'losses', Object.values(actual.scalars[i] ?? {}), Object.values(scalars), NATIVE_TOLERANCES),
    ),
    ...[...expected.afterFirst]
      .filter(([name]) => name.startsWith('adam_m/'))
      .map(([name, value]) =>
        compared(
          name,
          name.startsWith('adam_m/G/') ? 'gradientsG' : 'gradientsD',
          actual.afterFirst.get(name) ?? [],
          value,
          NATIVE_TOLERANCES,
        ),
      ),
    ...[...expected.afterLast].map(([name, value]) =>
      compared(name, stateQuantity(name), actual.afterLast.get(name) ?? [], value, NATIVE_TOLERANCES),
    ),
  ];
}

function stateQuantity(name: string): Quantity {
  if (name.startsWith('adam_')) return name.startsWith('adam_m/') ? 'adamM' : 'adamV';
  return name.startsWith('Gs/') ? 'weightsAveraged' : 'weightsTrained';
}

function gradient({ afterFirst }: Trained, network: string): Float32Array {
  return Float32Array.from([...afterFirst].filter(([name]) => name.startsWith(`adam_m/${network}/`)).flatMap(([, value]) => [...value]));
}

const dot = (x: Float32Array, y: Float32Array): number => x.reduce((sum, value, i) => sum + value * (y[i] ?? Number.NaN), 0);

function cosine(a: Float32Array, b: Float32Array): number {
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

function changedVariables(a: VariableValues, b: VariableValues, names: RegExp): readonly string[] {
  return [...a.keys()].filter((name) => names.test(name) && largestDeviation(a.get(name) ?? [], b.get(name) ?? []) !== 0);
}
