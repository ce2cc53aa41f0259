/** Between the variables of a session and the tensor files of a checkpoint: one file per network and per optimizer state, in the reference's names. */
import { PgganError } from '../../crds/errors.ts';
import { TENSOR_FILES, type TensorFileName, type TensorFiles } from '../checkpoint/format.ts';
import type { LoadedCheckpoint } from '../checkpoint/load-checkpoint.ts';
import { floatsOf, storedFloats, type TensorTable } from '../checkpoint/safetensors.ts';
import { discriminatorWeights, generatorWeights, type NetworkShape } from '../networks/weights.ts';
import type { VariableValues } from './session.ts';

/** Which variables each file holds: their prefix in a session, and in the file. */
const CONTENTS: Readonly<
  Record<TensorFileName, { readonly network: 'G' | 'D'; readonly parts: readonly { readonly variable: string; readonly tensor: string }[] }>
> = {
  generator: { network: 'G', parts: [{ variable: 'G/', tensor: '' }] },
  discriminator: { network: 'D', parts: [{ variable: 'D/', tensor: '' }] },
  'generator-ema': { network: 'G', parts: [{ variable: 'Gs/', tensor: '' }] },
  'adam-generator': {
    network: 'G',
    parts: [
      { variable: 'adam_m/G/', tensor: 'm/' },
      { variable: 'adam_v/G/', tensor: 'v/' },
    ],
  },
  'adam-discriminator': {
    network: 'D',
    parts: [
      { variable: 'adam_m/D/', tensor: 'm/' },
      { variable: 'adam_v/D/', tensor: 'v/' },
    ],
  },
};

/** The tensor files of a checkpoint; the data are views of `values`. */
export function toTensorFiles(shape: NetworkShape, values: VariableValues): TensorFiles {
  const files = TENSOR_FILES.map((file) => [file, { tensors: toTensorFile(shape, file, values) }] as const);
  return Object.fromEntries(files) as Record<TensorFileName, (typeof files)[number][1]>;
}

/** One of them. */
function toTensorFile(shape: NetworkShape, file: TensorFileName, values: VariableValues): TensorTable {
  return new Map(
    tensorsOf(shape, file).map(({ variable, tensor, shape: dimensions }) => {
      const value = values.get(variable);
      if (!value) throw new Error(`no value for variable ${variable}`);
      return [tensor, storedFloats(dimensions, value)] as const;
    }),
  );
}

/** The stored weights of the averaged generator by name. @throws {PgganError} CheckpointInvalid as fromTensorFiles */
export function averagedGenerator(shape: NetworkShape, checkpoint: LoadedCheckpoint<'generator-ema'>): ReadonlyMap<string, Float32Array> {
  const values = fromTensorFiles(shape, checkpoint, ['generator-ema']);
  return new Map([...values].map(([name, value]) => [name.replace(/^Gs\//, ''), value]));
}

/** The variables that a checkpoint holds. @throws {PgganError} CheckpointInvalid when a tensor is missing, has another shape, or is none of these networks' */
export function fromTensorFiles<Name extends TensorFileName>(
  shape: NetworkShape,
  checkpoint: LoadedCheckpoint<Name>,
  names: readonly Name[],
): VariableValues {
  const values = new Map<string, Float32Array>();
  for (const file of names) {
    const { tensors } = checkpoint.files[file];
    const wanted = tensorsOf(shape, file);
    for (const { variable, tensor, shape: want } of wanted) {
      const found = tensors.get(tensor);
      if (!found || found.dtype !== 'F32' || found.shape.join() !== want.join()) {
        const is = found ? `${found.dtype} [${found.shape.join(', ')}]` : 'missing';
        throw new PgganError(
          'CheckpointInvalid',
          `${checkpoint.key}${file}.safetensors: ${tensor} should be F32 [${want.join(', ')}] but is ${is}`,
        );
      }
      values.set(variable, floatsOf(found, tensor).slice());
    }
    // A deeper network has all names of a shallower one, and may have its shapes.
    const foreign = [...tensors.keys()].find((name) => !wanted.some(({ tensor }) => tensor === name));
    if (foreign !== undefined) {
      throw new PgganError('CheckpointInvalid', `${checkpoint.key}${file}.safetensors: the networks of this run have no ${foreign}`);
    }
  }
  return values;
}

function tensorsOf(shape: NetworkShape, file: TensorFileName) {
  const { network, parts } = CONTENTS[file];
  const specs = network === 'G' ? generatorWeights(shape) : discriminatorWeights(shape);
  return parts.flatMap((part) =>
    specs.map((spec) => ({ variable: part.variable + spec.name, tensor: part.tensor + spec.name, shape: spec.shape })),
  );
}
