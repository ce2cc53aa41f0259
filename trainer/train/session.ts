/** The networks of a run while it trains: the compiled program of the current resolution, and host copies of every variable it does not hold. */
import { compileProgram } from '../backend/compile.ts';
import type { Program, ProgramDefinition } from '../backend/program.ts';
import { discriminatorWeights, generatorWeights } from '../networks/weights.ts';
import { type SampleInput, sampleAll } from '../synthesis/minibatches.ts';
import { type HostFeeds, runOnHost } from './host-step.ts';
import { stepInParts } from './microbatches.ts';
import { isTrained, trainingProgram } from './program.ts';
import type { Random } from './random.ts';
import { microbatchOf, type NetworkStep, type ProgramKey, scalarNames, type StepOptions } from './step-options.ts';

export type VariableValues = ReadonlyMap<string, Float32Array>;
export type Scalars = Readonly<Record<string, number>>;

export interface Session {
  /** Makes the program for `key` the current one; compiles when it differs from the last. */
  enter(key: ProgramKey): void;
  /** One update; returns the step's scalars. */
  step(name: NetworkStep, feeds: HostFeeds): Scalars;
  /** Images [N, r, r, C] in [-1, 1] of the averaged generator at the current resolution and fade; any N. */
  sample(input: SampleInput, fade?: number): Float32Array;
  /** Sets the moments of Adam of both networks to zero. */
  resetOptimizer(): void;
  /** Copies of all variables of the run, at the final resolution; each in a buffer of its own, to be given away. */
  snapshot(): VariableValues;
  dispose(): void;
}

/** Starts a session from `values`, which must hold every variable of the run. */
export function createSession(options: StepOptions, mode: ProgramDefinition['mode'], values: VariableValues): Session {
  const all = new Map(values);
  let current: { readonly key: ProgramKey; readonly program: Program; readonly names: readonly string[] } | undefined;

  const leave = (): void => {
    if (!current) return;
    for (const [name, value] of current.program.read(current.names)) all.set(name, value);
    current.program.dispose();
    current = undefined;
  };
  const running = (): NonNullable<typeof current> => {
    if (!current) throw new Error('enter() a program first');
    return current;
  };

  return {
    enter(key) {
      if (current && sameKey(current.key, key)) return;
      leave();
      const definition = trainingProgram(options, key, mode);
      const names = Object.keys(definition.variables).filter(isTrained);
      const program = compileProgram(definition);
      program.write(new Map(names.map((name) => [name, valueOf(all, name)])));
      // The program holds them now; a second copy of the optimizer's state would be hundreds of megabytes.
      for (const name of names) all.delete(name);
      current = { key, program, names };
    },
    step(name, feeds) {
      const { program, key } = running();
      const values =
        microbatchOf(key) < key.minibatch
          ? stepInParts(program, key, options.shape.mbstdGroupSize, name, feeds)
          : runOnHost(program, name, feeds, 'scalars');
      return Object.fromEntries(scalarNames(name, options.shape.labelSize).map((scalar, i) => [scalar, values[i] ?? Number.NaN]));
    },
    sample(input, fade = 0) {
      const { program, key } = running();
      const { latentSize, labelSize } = options.shape;
      const minibatch = microbatchOf(key);
      return sampleAll(input, { latentSize, labelSize, minibatch }, ({ latents, labels }) => {
        const feeds = {
          latents: { shape: [minibatch, latentSize], data: latents },
          ...(labels ? { labels: { shape: [minibatch, labelSize], data: labels } } : {}),
          ...(key.fading ? { fade } : {}),
        };
        return runOnHost(program, 'sample', feeds, 'images');
      });
    },
    resetOptimizer() {
      for (const [name, value] of all) if (isMoment(name)) all.set(name, new Float32Array(value.length));
      const { program, names } = running();
      program.write(new Map([...program.read(names.filter(isMoment))].map(([name, value]) => [name, new Float32Array(value.length)])));
    },
    snapshot() {
      const kept = [...all].map(([name, value]) => [name, value.slice()] as const);
      return new Map([...kept, ...(current?.program.read(current.names) ?? [])]);
    },
    dispose() {
      current?.program.dispose();
      current = undefined;
      all.clear();
    },
  };
}

/** Values of every variable of a new run: weights drawn from `random`, biases and moments zero, the averaged generator equal to G. */
export function initialValues(options: StepOptions, random: Random): VariableValues {
  const values = new Map<string, Float32Array>();
  const networks = { G: generatorWeights(options.shape), D: discriminatorWeights(options.shape) };
  for (const [network, specs] of Object.entries(networks)) {
    for (const { name, shape, init } of specs) {
      const size = shape.reduce((a, b) => a * b, 1);
      const value =
        init.kind === 'zeros' ? new Float32Array(size) : random.normal(`init/${network}/${name}`, 0, size).map((x) => x * init.std);
      values.set(`${network}/${name}`, value);
      if (network === 'G') values.set(`Gs/${name}`, value.slice());
      values.set(`adam_m/${network}/${name}`, new Float32Array(size));
      values.set(`adam_v/${network}/${name}`, new Float32Array(size));
    }
  }
  return values;
}

const isMoment = (name: string): boolean => name.startsWith('adam_');

function sameKey(a: ProgramKey, b: ProgramKey): boolean {
  return a.resolution === b.resolution && a.minibatch === b.minibatch && microbatchOf(a) === microbatchOf(b) && a.fading === b.fading;
}

function valueOf(values: VariableValues, name: string): Float32Array {
  const value = values.get(name);
  if (!value) throw new Error(`no value for variable ${name}`);
  return value;
}
