/** Records the native ops of one eager run of a step as nodes of a TensorFlow graph, by standing between tfjs and the addon. */
import { createHash } from 'node:crypto';
import { type Attribute, type Binding, DTYPE, type TensorMetadata } from './native.ts';
import { attrValue, type NodeDef, tensorProto } from './protobuf.ts';
import { sourceLine } from './source-line.ts';

export type TracedNode = NodeDef & { readonly controls: ReadonlySet<string>; readonly stack?: Error };

/** Handles of this program's variables and the nodes that stand for them; handles of tf.Variables, which a step must not touch. */
export type Surroundings = { readonly variables: ReadonlyMap<number, string>; readonly foreign: ReadonlyMap<number, string> };

type Order = { write: string | undefined; reads: string[] };

/** One recording. tfjs works on `binding` meanwhile; ids of tensors are those of the real addon. */
export class Recorder {
  readonly nodes: TracedNode[] = [];
  /** Nodes that change a variable. */
  readonly writes = new Set<string>();
  readonly binding: Binding;
  readonly #addon: Binding;
  readonly #step: string;
  readonly #around: Surroundings;
  readonly #stacks: boolean;
  readonly #edges = new Map<number, string>();
  readonly #tensors = new Map<number, TensorMetadata>();
  readonly #constants = new Map<string, string>();
  readonly #order = new Map<number, Order>();
  readonly #attributeKinds: ReadonlyMap<number, (value: never) => Buffer>;

  constructor(step: string, addon: Binding, around: Surroundings, stacks: boolean) {
    this.#step = step;
    this.#addon = addon;
    this.#around = around;
    this.#stacks = stacks;
    this.#attributeKinds = new Map<number, (value: never) => Buffer>([
      [addon.TF_ATTR_TYPE!, attrValue.type],
      [addon.TF_ATTR_INT!, attrValue.int],
      [addon.TF_ATTR_FLOAT!, attrValue.float],
      [addon.TF_ATTR_BOOL!, attrValue.bool],
      [addon.TF_ATTR_STRING!, attrValue.string],
      [addon.TF_ATTR_SHAPE!, attrValue.shape],
    ]);
    this.binding = this.#shadow();
  }

  /** Makes a tensor that is there already a placeholder of the graph. Returns its node's name. */
  feed(name: string, id: number): string {
    const { dtype, shape } = this.metadata(id);
    const attributes = new Map([
      ['dtype', attrValue.type(dtype)],
      ['shape', attrValue.shape(shape)],
    ]);
    return this.#push(id, { name: `${this.#step}/in/${name}`, op: 'Placeholder', inputs: [], controls: new Set(), attributes });
  }

  /** The edge that carries a tensor in the graph. What was made before the recording becomes a constant. */
  edge(id: number): string {
    const edge = this.#edges.get(id) ?? this.#around.variables.get(id);
    if (edge !== undefined) return edge;
    const foreign = this.#around.foreign.get(id);
    if (foreign !== undefined) this.#refuse(`uses tf.Variable ${foreign}: only the variables of the program live in the graph`);
    const { dtype, shape } = this.metadata(id);
    if (dtype === DTYPE.resource) this.#refuse('uses a variable of another program');
    if (dtype === DTYPE.bfloat16) return this.#bfloat16Constant(id, shape);
    return this.#constant(id, { id, dtype, shape }, this.#addon.tensorDataSync(id));
  }

  /** Shape and native dtype of any tensor, also of one made before the recording. */
  metadata(id: number): TensorMetadata {
    const known = this.#tensors.get(id);
    if (known) return known;
    const [same] = this.#addon.executeOp('Identity', [], [id], 1);
    this.#addon.deleteTensor(same!.id);
    const found = { ...same!, id };
    this.#tensors.set(id, found);
    return found;
  }

  /** The addon's own properties are read-only, so a child object shadows those that matter. */
  #shadow(): Binding {
    const shadow: Pick<Binding, 'executeOp' | 'createTensor' | 'deleteTensor' | 'tensorDataSync'> = {
      executeOp: (op, attributes, ids, count) => {
        if (op === 'VarHandleOp') this.#refuse('creates a variable: declare it in the program');
        if (RANDOM.test(op)) this.#refuse(`draws random numbers (${op}): pass them as a feed`);
        const outputs = this.#addon.executeOp(op, attributes, ids, count);
        for (const output of outputs) this.#tensors.set(output.id, output);
        this.#operation(op, attributes, ids, outputs);
        return outputs;
      },
      createTensor: (shape, dtype, data) => {
        const id = this.#addon.createTensor(shape, dtype, data);
        const made = { id, shape: [...shape], dtype };
        this.#tensors.set(id, made);
        this.#constant(id, made, data);
        return id;
      },
      deleteTensor: (id) => {
        this.#tensors.delete(id);
        this.#addon.deleteTensor(id);
      },
      tensorDataSync: (id) => this.#refuse(`reads ${this.#edges.get(id) ?? 'a tensor'} on the host: return it as an output instead`),
    };
    return Object.create(this.#addon, Object.fromEntries(Object.entries(shadow).map(([name, value]) => [name, { value }]))) as Binding;
  }

  #operation(op: string, given: readonly Attribute[], ids: readonly number[], outputs: readonly TensorMetadata[]): void {
    const name = `${this.#step}/${op}_${this.nodes.length}`;
    const inputs = ids.map((id) => this.edge(id));
    const controls = new Set(ids.filter((id) => this.#around.variables.has(id)).flatMap((id) => this.#orderAccess(id, op, name)));
    const attributes = new Map(given.map((attribute) => [attribute.name, this.#encode(op, attribute)]));
    if (op === 'Cast') {
      // Eager execution lets a wrong source type pass, a graph does not.
      attributes.set('SrcT', attrValue.type(this.metadata(ids[0]!).dtype)).set('DstT', attrValue.type(outputs[0]!.dtype));
    }
    if (INFERRED_T.has(op) && !attributes.has('T')) attributes.set('T', attrValue.type(this.metadata(ids[0]!).dtype));
    this.#push(outputs[0]?.id, { name, op, inputs, controls, attributes });
    for (const [index, output] of outputs.entries()) if (index > 0) this.#edges.set(output.id, `${name}:${index}`);
  }

  /** Program order for each variable: a read follows the last write, a write follows every access since and including it. */
  #orderAccess(handle: number, op: string, node: string): readonly string[] {
    const order = this.#order.get(handle) ?? { write: undefined, reads: [] };
    this.#order.set(handle, order);
    const after = order.write === undefined ? [] : [order.write];
    if (op === 'ReadVariableOp') {
      order.reads.push(node);
      return after;
    }
    const before = [...after, ...order.reads];
    order.write = node;
    order.reads = [];
    this.writes.add(node);
    return before;
  }

  #constant(id: number, { dtype, shape }: TensorMetadata, data: ArrayBufferView): string {
    if (!CONSTANT_TYPES.has(dtype)) this.#refuse(`uses a constant of TensorFlow's dtype ${dtype}`);
    const value = tensorProto(dtype, shape, Buffer.from(data.buffer, data.byteOffset, data.byteLength));
    const digest = createHash('sha256').update(value).digest('base64');
    const known = this.#constants.get(digest);
    if (known !== undefined) {
      this.#edges.set(id, known);
      return known;
    }
    const name = `${this.#step}/constant_${this.nodes.length}`;
    const attributes = new Map([
      ['dtype', attrValue.type(dtype)],
      ['value', attrValue.tensor(value)],
    ]);
    this.#constants.set(digest, name);
    return this.#push(id, { name, op: 'Const', inputs: [], controls: new Set(), attributes });
  }

  /** The addon cannot read bfloat16: the constant is kept as float32, which holds it exactly, and cast in the graph. */
  #bfloat16Constant(id: number, shape: readonly number[]): string {
    const types = [DTYPE.bfloat16, DTYPE.float32] as const;
    const cast = [
      { name: 'SrcT', type: this.#addon.TF_ATTR_TYPE!, value: types[0] },
      { name: 'DstT', type: this.#addon.TF_ATTR_TYPE!, value: types[1] },
    ];
    const [wide] = this.#addon.executeOp('Cast', cast, [id], 1);
    const source = this.#constant(wide!.id, { id, dtype: DTYPE.float32, shape }, this.#addon.tensorDataSync(wide!.id));
    this.#addon.deleteTensor(wide!.id);
    const name = `${this.#step}/Cast_${this.nodes.length}`;
    const attributes = new Map([
      ['SrcT', attrValue.type(types[1])],
      ['DstT', attrValue.type(types[0])],
    ]);
    return this.#push(id, { name, op: 'Cast', inputs: [source], controls: new Set(), attributes });
  }

  #push(id: number | undefined, node: TracedNode): string {
    this.nodes.push(this.#stacks ? { ...node, stack: new Error(node.name) } : node);
    if (id !== undefined) this.#edges.set(id, node.name);
    return node.name;
  }

  #encode(op: string, { name, type, value }: Attribute): Buffer {
    const encode = this.#attributeKinds.get(type);
    if (!encode) this.#refuse(`runs ${op}, whose attribute ${name} is of a kind that no graph of ours can hold`);
    return encode(value as never);
  }

  #refuse(what: string): never {
    throw new Error(`step ${this.#step} ${what} (${sourceLine(new Error())})`);
  }
}

/** Ops that draw from a generator of TensorFlow's own. Stateless ones compute from their inputs and are welcome. */
const RANDOM = /^(Random|TruncatedNormal|ParameterizedTruncatedNormal|Multinomial)/;

/** Ops for which tfjs leaves the attribute T to the eager runtime; a graph has to name it. */
const INFERRED_T: ReadonlySet<string> = new Set(['Where', 'Switch', 'Identity']);

const CONSTANT_TYPES: ReadonlySet<number> = new Set([DTYPE.float32, DTYPE.int32, DTYPE.uint8, DTYPE.int64, DTYPE.bool]);
