/** Turns a step into nodes of a TensorFlow graph: it is run eagerly on two different feeds, and what differs besides them is refused. */
import * as tf from '@tensorflow/tfjs';
import { runStep } from './eager.ts';
import { type Signature, signatureOf } from './feeds.ts';
import { DTYPE, type NativeBackend } from './native.ts';
import type { Feeds, StepFunction } from './program.ts';
import { attrValue, tensorProto } from './protobuf.ts';
import { Recorder, type TracedNode } from './recorder.ts';
import { sourceLine, withDeepStacks } from './source-line.ts';

export type TracedStep = {
  readonly name: string;
  readonly nodes: readonly TracedNode[];
  readonly signature: Signature;
  /** Feed names and the placeholders that take them; output names and the nodes that carry them. */
  readonly inputs: ReadonlyMap<string, string>;
  readonly outputs: ReadonlyMap<string, string>;
};

export type TraceOptions = {
  readonly step: string;
  readonly run: StepFunction;
  /** Feeds whose values depend on `variant`. */
  readonly example: (variant: number) => Feeds;
  /** Native handles of the program's variables and the nodes that stand for them. */
  readonly variables: ReadonlyMap<number, string>;
  /** Remember for every node the line that made it. */
  readonly stacks: boolean;
};

/** @throws Error that names the step, the op and what to do where a step is no pure function of its feeds and the program's variables */
export function traceStep(backend: NativeBackend, options: TraceOptions): TracedStep {
  const [a, b] = [record(backend, options, 0), record(backend, options, 1)];
  if (!difference(a.nodes, b.nodes)) return prune(a);
  // The first run may have filled caches. A third one tells, and carries stacks so that a refusal can name the line.
  const withStacks = { ...options, stacks: true };
  const [c, d] = [record(backend, withStacks, 0), record(backend, withStacks, 1)];
  const differing = difference(c.nodes, d.nodes);
  if (differing) throw new Error(`step ${options.step} ${differing}`);
  return prune(c);
}

function record(backend: NativeBackend, { step, run, example, variables, stacks }: TraceOptions, variant: number): TracedStep {
  const feeds = example(variant);
  const addon = backend.binding;
  const before = tensorflowVariables(backend);
  const recorder = new Recorder(step, addon, { variables, foreign: new Map([...before].map(([name, id]) => [id, name])) }, stacks);
  const ids = backend.getInputTensorIds(Object.values(feeds));
  backend.binding = recorder.binding;
  try {
    const inputs = new Map(Object.keys(feeds).map((name, index) => [name, recorder.feed(name, ids[index]!)]));
    const results = withDeepStacks(() => runStep(run, feeds));
    const outputs = finish(
      step,
      recorder,
      new Map(Object.entries(results).map(([name, tensor]) => [name, backend.getInputTensorIds([tensor])[0]!])),
    );
    const signature = signatureOf(feeds);
    tf.dispose(results);
    for (const [name, id] of tensorflowVariables(backend)) {
      if (before.get(name) !== id)
        throw new Error(`step ${step} assigns tf.Variable ${name}: only the variables of the program live in the graph`);
    }
    return { name: step, nodes: recorder.nodes, signature, inputs, outputs };
  } finally {
    backend.binding = addon;
    tf.dispose(feeds);
  }
}

/** Appends a node for each output, which waits for every write of the step, and one to fetch where there is no output. */
function finish(step: string, recorder: Recorder, results: ReadonlyMap<string, number>): Map<string, string> {
  const done = `${step}/done`;
  const edges = [...results].map(([name, id]) => ({ name, edge: recorder.edge(id), dtype: recorder.metadata(id).dtype }));
  recorder.nodes.push({ name: done, op: 'NoOp', inputs: [], controls: recorder.writes, attributes: new Map() });
  const outputs = new Map<string, string>();
  for (const { name, edge, dtype } of edges) {
    const node = `${step}/out/${name}`;
    recorder.nodes.push({
      name: node,
      op: 'Identity',
      inputs: [edge],
      controls: new Set([done]),
      attributes: new Map([['T', attrValue.type(dtype)]]),
    });
    outputs.set(name, node);
  }
  if (outputs.size === 0) recorder.nodes.push(signal(`${step}/finished`, done));
  return outputs;
}

/** A node that can be fetched, for what has no value of its own. */
export function signal(name: string, after: string): TracedNode {
  const attributes = new Map([
    ['dtype', attrValue.type(DTYPE.int32)],
    ['value', attrValue.tensor(tensorProto(DTYPE.int32, [], Buffer.alloc(4)))],
  ]);
  return { name, op: 'Const', inputs: [], controls: new Set([after]), attributes };
}

/** tf.Variables by name, with the native id of their present value. */
function tensorflowVariables(backend: NativeBackend): Map<string, number> {
  const registered = Object.values(tf.engine().state.registeredVariables);
  return new Map(registered.map((variable) => [variable.name, backend.getInputTensorIds([variable])[0]!]));
}

/** What two recordings of one step differ in, in words; undefined when they are the same. */
function difference(a: readonly TracedNode[], b: readonly TracedNode[]): string | undefined {
  for (let index = 0; index < Math.max(a.length, b.length); index++) {
    const [x, y] = [a[index], b[index]];
    if (!x || !y || x.op !== y.op || !sameEdges(x, y)) {
      return `takes another path each time it runs, from ${x?.name ?? 'its end'} or ${y?.name ?? 'its end'} on${at(x ?? y)}: it may branch on shapes and options only`;
    }
    for (const [key, value] of x.attributes) {
      if (y.attributes.get(key)?.equals(value)) continue;
      const user = a.find((node) => node.inputs.includes(x.name));
      const used = user ? `, used by ${user.name}${at(user)},` : at(x);
      return `has a value that changes from run to run: ${x.name}${used} is computed in JavaScript, drawn at random or kept outside the program's variables; pass it as a feed`;
    }
  }
  return undefined;
}

function sameEdges(x: TracedNode, y: TracedNode): boolean {
  return x.inputs.join() === y.inputs.join() && [...x.controls].join() === [...y.controls].join();
}

const at = (node: TracedNode | undefined): string => (node?.stack ? ` at ${sourceLine(node.stack)}` : '');

/** Leaves out what neither an output nor a write needs; a read that nobody needs is not waited for either. */
function prune(step: TracedStep): TracedStep {
  const byName = new Map(step.nodes.map((node) => [node.name, node]));
  const kept = new Set<string>(step.inputs.values());
  const ends = step.nodes.filter((node) => node.name === `${step.name}/done` || node.name === `${step.name}/finished`);
  const wanted = [...step.outputs.values(), ...ends.flatMap((end) => [end.name, ...end.controls])];
  for (let name = wanted.pop(); name !== undefined; name = wanted.pop()) {
    if (kept.has(name)) continue;
    kept.add(name);
    for (const edge of byName.get(name)?.inputs ?? []) wanted.push(edge.split(':')[0]!);
  }
  const nodes = step.nodes
    .filter((node) => kept.has(node.name))
    .map((node) => ({ ...node, controls: new Set([...node.controls].filter((control) => kept.has(control))) }));
  return { ...step, nodes };
}
