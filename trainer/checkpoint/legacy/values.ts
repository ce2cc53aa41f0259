/** What a pickle says, as inert data: nothing is resolved, called or built. Whoever reads it asks for the shapes that it expects. */
import { PgganError } from '../../../crds/errors.ts';

/** A position in a file, to complain with. `at` is in bytes. */
export type Refuse = (at: number, problem: string, cause?: unknown) => never;

type Text = { readonly kind: 'text'; readonly at: number; readonly utf8: Uint8Array };
type Bytes = { readonly kind: 'bytes'; readonly at: number; readonly data: Uint8Array };
export type Tuple = { readonly kind: 'tuple'; readonly at: number; readonly depth: number; readonly items: readonly PickleValue[] };
export type List = { readonly kind: 'list'; readonly at: number; depth: number; readonly items: PickleValue[] };
export type Dict = { readonly kind: 'dict'; readonly at: number; depth: number; readonly entries: Map<string, PickleValue> };
/** A name of a Python module, such as `numpy.dtype`: a name and nothing else. */
type Global = { readonly kind: 'global'; readonly at: number; readonly name: string };
/** What Python would make by calling `callee` with `args` and giving the result `state`. */
export type Call = {
  readonly kind: 'call';
  readonly at: number;
  depth: number;
  readonly callee: string;
  readonly args: Tuple;
  state: PickleValue | undefined;
};
type Plain = { readonly kind: 'plain'; readonly at: number; readonly value: null | boolean | number };

export type PickleValue = Text | Bytes | Tuple | List | Dict | Global | Call | Plain;

/** The longest text that is read as a name. Longer ones (the networks' source code) are passed over undecoded. */
const MAX_NAME_BYTES = 256;

/** A function that throws PgganError SnapshotInvalid with file and position. */
export function refusalsOf(file: string): Refuse {
  return (at, problem, cause) => {
    throw new PgganError('SnapshotInvalid', `${file}, byte ${at}: ${problem}`, { cause });
  };
}

/** The text of a value that is to be a name. */
export function nameOf(value: PickleValue | undefined, at: number, what: string, refuse: Refuse): string {
  if (value?.kind !== 'text') return refuse(value?.at ?? at, `${what} should be text but is ${describe(value)}`);
  return decodeName(value.utf8, value.at, what, refuse);
}

/** Bytes that are to be a name, as UTF-8. */
export function decodeName(utf8: Uint8Array, at: number, what: string, refuse: Refuse): string {
  if (utf8.byteLength > MAX_NAME_BYTES)
    return refuse(at, `${what} has ${utf8.byteLength} bytes, more than the ${MAX_NAME_BYTES} of a name`);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(utf8);
  } catch (cause) {
    return refuse(at, `${what} is not UTF-8`, cause);
  }
}

/** What a value is, in a few words, for messages. */
export function describe(value: PickleValue | undefined): string {
  if (value === undefined) return 'missing';
  switch (value.kind) {
    case 'text':
      return value.utf8.byteLength <= 64 ? `the text ${JSON.stringify(Buffer.from(value.utf8).toString())}` : 'a long text';
    case 'bytes':
      return `${value.data.byteLength} bytes`;
    case 'tuple':
    case 'list':
      return `a ${value.kind} of ${value.items.length}`;
    case 'dict':
      return `a dict of ${value.entries.size}`;
    case 'global':
      return value.name;
    case 'call':
      return `an object of ${value.callee}`;
    case 'plain':
      return value.value === null ? 'None' : String(value.value);
  }
}
