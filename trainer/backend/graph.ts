/** A program that was traced once and runs as a TensorFlow graph: one session for all steps, which holds the variables. */
import { attribute, DTYPE, type NativeBackend } from './native.ts';
import { checkFeeds } from './feeds.ts';
import type { Outputs, Program, ProgramDefinition, Values } from './program.ts';
import { loadSession } from './session.ts';
import { sourceLine } from './source-line.ts';
import { type TracedStep, traceStep } from './trace.ts';
import { checkValues } from './values.ts';
import { createVariables, resourceOf } from './variables.ts';
import { variableNode, variableNodes } from './variable-nodes.ts';

export type GraphOptions = {
  /** Remember for every op the line that ran it, so that an error of TensorFlow names it. */
  readonly stacks: boolean;
};

/** Traces all steps and loads their graph. The variables of the trace are gone when it returns. */
export function graphProgram(backend: NativeBackend, definition: ProgramDefinition, options: GraphOptions): Program {
  const steps = traceSteps(backend, definition, options);
  const entries = variableNodes(definition.variables);
  const session = loadSession(backend, [...entries.nodes, ...[...steps.values()].flatMap((step) => step.nodes)]);
  const names = Object.keys(definition.variables);
  const lines = new Map(
    [...steps.values()].flatMap((step) => step.nodes).flatMap((node) => (node.stack ? [[node.name, node.stack] as const] : [])),
  );
  let written = false;

  return {
    run(name, feeds) {
      const step = steps.get(name);
      if (!step) throw new RangeError(`there is no step ${name}: there are ${[...steps.keys()].join(', ')}`);
      checkFeeds(name, step.signature, feeds);
      ensureWritten();
      const inputs = [...step.inputs].map(([feed, node]) => [node, backend.getInputTensorIds([feeds[feed]!])[0]!] as const);
      const fetches = step.outputs.size > 0 ? [...step.outputs.values()] : [`${name}/finished`];
      const results = explained(name, lines, () => session.run(inputs, fetches));
      if (step.outputs.size === 0) results.forEach(({ id }) => backend.binding.deleteTensor(id));
      const outputs: Outputs = {};
      [...step.outputs.keys()].forEach((output, index) => (outputs[output] = backend.createOutputTensor(results[index]!)));
      return outputs;
    },
    read(wanted = names) {
      for (const name of wanted) if (!names.includes(name)) throw new RangeError(`there is no variable ${name}`);
      ensureWritten();
      const ids = handles();
      try {
        return new Map(wanted.map((name) => [name, backend.binding.tensorDataSync(ids.get(name)!) as Float32Array]));
      } finally {
        ids.forEach((id) => backend.binding.deleteTensor(id));
      }
    },
    write(values) {
      checkValues(definition.variables, values);
      writeAll(values);
    },
    dispose: () => session.dispose(),
  };

  /** The variables' present values as native tensors, which share their memory until a step writes. */
  function handles(): Map<string, number> {
    if (names.length === 0) return new Map();
    const results = session.run([], entries.reads);
    return new Map(names.map((name, index) => [name, results[index]!.id]));
  }

  function ensureWritten(): void {
    if (!written) writeAll(new Map());
  }

  /** One entry writes all variables, since each set of entries costs TensorFlow a pass over the whole graph. */
  function writeAll(values: Values): void {
    if (names.length === 0) return;
    const present = written && values.size < names.length ? handles() : new Map<string, number>();
    const next = new Map(names.map((name) => [name, value(name)]));
    try {
      session
        .run(
          names.map((name, index) => [entries.values[index]!, next.get(name)!] as const),
          [entries.write],
        )
        .forEach(({ id }) => backend.binding.deleteTensor(id));
      written = true;
    } finally {
      new Set([...next.values(), ...present.values()]).forEach((id) => backend.binding.deleteTensor(id));
    }

    function value(name: string): number {
      const shape = definition.variables[name]!;
      const data = values.get(name);
      return data ? copied(backend, shape, data) : (present.get(name) ?? copied(backend, shape, new Float32Array(size(shape))));
    }
  }
}

function traceSteps(backend: NativeBackend, definition: ProgramDefinition, { stacks }: GraphOptions): Map<string, TracedStep> {
  const owned = createVariables(definition.variables);
  try {
    const variables = new Map(Object.values(owned.variables).map((variable) => [resourceOf(variable)!, variableNode(variable.name)]));
    const steps = Object.entries(definition.steps(owned.variables));
    return new Map(
      steps.map(([step, run]) => [
        step,
        traceStep(backend, { step, run, example: (variant) => definition.example(step, variant), variables, stacks }),
      ]),
    );
  } finally {
    owned.dispose();
  }
}

/** A native tensor in memory of TensorFlow's own: one made from an array shares the array, which a step would then change in place. */
function copied(backend: NativeBackend, shape: readonly number[], data: Float32Array): number {
  const shared = backend.binding.createTensor(shape, DTYPE.float32, data);
  try {
    return backend.binding.executeOp('DeepCopy', [attribute.type('T', DTYPE.float32)], [shared], 1)[0]!.id;
  } finally {
    backend.binding.deleteTensor(shared);
  }
}

/** TensorFlow names the node that failed; this adds the line that made it. */
function explained<T>(step: string, lines: ReadonlyMap<string, Error>, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    const message = (cause as Error).message.split('\n')[0]!;
    const node = /\{\{node ([^}]+)\}\}/.exec((cause as Error).message)?.[1];
    const stack = lines.get(node ?? '');
    const where = node ? ` in ${node}${stack ? ` at ${sourceLine(stack)}` : ' (PGGAN_STACKS=1 names the line)'}` : '';
    throw new Error(`step ${step} failed${where}: ${message.replace('Session fail to run with error: ', '')}`, { cause });
  }
}

const size = (shape: readonly number[]): number => shape.reduce((product, side) => product * side, 1);
