/** Reads `network-snapshot-*.pkl` of the TensorFlow original: a pickle of the three networks (G, D, averaged G). */
import { createHash } from 'node:crypto';
import { discriminatorWeights, generatorWeights, type NetworkShape, type WeightSpec } from '../../networks/weights.ts';
import { type ArrayReader, arrayReader, type Tensor } from './numpy.ts';
import { networkShape } from './options.ts';
import { unpickle } from './unpickle.ts';
import { type Dict, describe, type List, nameOf, type PickleValue, type Refuse, refusalsOf } from './values.ts';

export type Snapshot = {
  /** Of the file. */
  readonly sha256: string;
  readonly shape: NetworkShape;
  /** Level of detail at which training stood: 0 at full resolution. */
  readonly lod: number;
  /** Weights by name, in the stored shapes of `generatorWeights` and `discriminatorWeights`. */
  readonly generator: ReadonlyMap<string, Tensor>;
  readonly discriminator: ReadonlyMap<string, Tensor>;
  readonly generatorEma: ReadonlyMap<string, Tensor>;
};

/** The format that the TensorFlow original writes. */
const STATE_VERSION = 2;
const LOD = 'lod';

/**
 * Nothing of the file is run; the networks' source code that it holds is not even decoded. Every weight must be there, finite, and of the
 * shape that the networks' options ask for.
 * @param file what messages call it
 * @throws {PgganError} SnapshotInvalid, naming the file, the byte and what was found there
 */
export function readSnapshot(bytes: Uint8Array, file: string): Snapshot {
  const refuse = refusalsOf(file);
  const root = unpickle(bytes, refuse);
  if (root.kind !== 'tuple' || root.items.length !== 3)
    return refuse(root.at, `a snapshot is a tuple (G, D, Gs), this is ${describe(root)}`);
  const readArray = arrayReader(bytes.byteLength, refuse);
  const [G, D, Gs] = root.items.map((item, i) => networkState(item, (['G', 'D', 'Gs'] as const)[i] ?? 'G', refuse)) as [
    State,
    State,
    State,
  ];
  const shape = networkShape({ G: G.keywords, D: D.keywords }, refuse);
  const averaged = networkShape({ G: Gs.keywords, D: D.keywords }, refuse);
  if (JSON.stringify(averaged) !== JSON.stringify(shape)) refuse(Gs.keywords.at, 'Gs was built with other options than G');

  const generator = weightsOf(G, generatorWeights(shape), readArray, refuse);
  const discriminator = weightsOf(D, discriminatorWeights(shape), readArray, refuse);
  const generatorEma = weightsOf(Gs, generatorWeights(shape), readArray, refuse);
  return {
    sha256: createHash('sha256').update(bytes).digest('hex'),
    shape,
    lod: checkLod(generatorEma.lod, shape, Gs.variables.at, refuse),
    generator: generator.weights,
    discriminator: discriminator.weights,
    generatorEma: generatorEma.weights,
  };
}

type State = { readonly name: 'G' | 'D' | 'Gs'; readonly keywords: Dict; readonly variables: List };

function networkState(value: PickleValue, name: State['name'], refuse: Refuse): State {
  if (value.kind !== 'call' || value.callee !== 'tfutil.Network' || value.state?.kind !== 'dict')
    return refuse(value.at, `${name} should be a tfutil.Network with its state but is ${describe(value)}`);
  const { at, entries } = value.state;
  const version = entries.get('version');
  if (version?.kind !== 'plain' || version.value !== STATE_VERSION)
    return refuse(version?.at ?? at, `${name}: the version of its state is ${describe(version)}, ${STATE_VERSION} is read`);
  const wanted = name === 'D' ? 'D_paper' : 'G_paper';
  const built = nameOf(entries.get('build_func_name'), at, `${name}: build_func_name`, refuse);
  if (built !== wanted)
    return refuse(entries.get('build_func_name')?.at ?? at, `${name} was built by ${built}, only ${wanted} is known here`);
  const [keywords, variables] = [entries.get('static_kwargs'), entries.get('variables')];
  if (keywords?.kind !== 'dict') return refuse(keywords?.at ?? at, `${name}: static_kwargs should be a dict but is ${describe(keywords)}`);
  if (variables?.kind !== 'list') return refuse(variables?.at ?? at, `${name}: variables should be a list but is ${describe(variables)}`);
  return { name, keywords, variables };
}

function weightsOf({ name: network, variables }: State, specs: readonly WeightSpec[], readArray: ArrayReader, refuse: Refuse) {
  const wanted = new Map(specs.map(({ name, shape }) => [name, shape]));
  const found = new Map<string, Tensor>();
  for (const item of variables.items) {
    if (item.kind !== 'tuple' || item.items.length !== 2)
      return refuse(item.at, `${network}: a variable should be a tuple (name, value) but is ${describe(item)}`);
    const [nameValue, value] = item.items as [PickleValue, PickleValue];
    const name = nameOf(nameValue, item.at, `${network}: the name of a variable`, refuse);
    const what = `${network}/${name}`;
    const shape = name === LOD ? [] : wanted.get(name);
    if (shape === undefined) return refuse(nameValue.at, `${what} is no variable of a network with these options`);
    if (found.has(name)) return refuse(nameValue.at, `${what} is there twice`);
    found.set(name, readArray(value, what, shape));
  }
  const weights = new Map(
    specs.map(({ name }) => [name, found.get(name) ?? refuse(variables.at, `${network}/${name} is missing from the snapshot`)]),
  );
  return { weights, lod: found.get(LOD)?.data[0] };
}

function checkLod(lod: number | undefined, { resolution }: NetworkShape, at: number, refuse: Refuse): number {
  const coarsest = Math.log2(resolution) - 2;
  if (lod === undefined) return refuse(at, 'Gs has no variable lod, so nobody can tell how far it had grown');
  return lod >= 0 && lod <= coarsest ? lod : refuse(at, `Gs stands at lod ${lod}: 0 to ${coarsest} are possible`);
}
