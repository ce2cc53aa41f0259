/**
 * Reads a pickle (protocols 2 to 5) as inert data. Nothing of it can run: names stay names, calls stay descriptions of calls.
 *
 * Own code, because the npm package pickleparser cannot be made safe from the outside: a BINBYTES of negative length sends it back in the
 * file (for ever), BUILD assigns any attribute of any object on its stack, resolved functions included, DICT with Maps sets properties
 * of the Map (also `__proto__`), a missing memo entry is undefined, and neither memo nor nesting is bounded.
 */
import { type Cursor, cursorOf } from './cursor.ts';
import { createMachine, type Machine } from './machine.ts';
import { describe, nameOf, type PickleValue, type Refuse } from './values.ts';

/** Every name that a snapshot may hold. Old and new NumPy differ in an underscore. */
const ALLOWED = new Set([
  'tfutil.Network',
  'numpy.ndarray',
  'numpy.dtype',
  'numpy.core.multiarray._reconstruct',
  'numpy._core.multiarray._reconstruct',
  'numpy.core.multiarray.scalar',
  'numpy._core.multiarray.scalar',
  'numpy.core.numeric._frombuffer',
  'numpy._core.numeric._frombuffer',
  '_codecs.encode',
]);
const ORDERED_DICT = 'collections.OrderedDict';

/** What an opcode does. `at` is its offset. */
type Operation = (at: number, cursor: Cursor, machine: Machine, refuse: Refuse) => void;

/** @throws {PgganError} SnapshotInvalid through `refuse`, for everything that no snapshot holds */
export function unpickle(bytes: Uint8Array, refuse: Refuse): PickleValue {
  const cursor = cursorOf(bytes, refuse);
  const machine = createMachine(refuse);
  readProtocol(cursor, refuse);
  for (;;) {
    const at = cursor.position();
    const opcode = cursor.uint(1, 'the next opcode');
    machine.opcode(at);
    if (opcode === STOP) break;
    const operation = OPERATIONS[opcode];
    if (!operation) return refuse(at, `opcode ${named(opcode)} has no place in a snapshot`);
    operation(at, cursor, machine, refuse);
  }
  if (cursor.left() > 0) refuse(cursor.position(), `${cursor.left()} bytes follow the end of the pickle`);
  return machine.result(cursor.position());
}

const STOP = 0x2e;
const PROTO = 0x80;

function readProtocol(cursor: Cursor, refuse: Refuse): void {
  if (cursor.uint(1, 'a pickle') !== PROTO) refuse(0, 'this is no pickle of protocol 2 or newer');
  const protocol = cursor.uint(1, 'the protocol');
  if (protocol < 2 || protocol > 5) refuse(1, `pickle protocol ${protocol} is not read, 2 to 5 are`);
}

const OPERATIONS: Readonly<Record<number, Operation>> = {
  // Structure
  0x95: (at, cursor, _machine, refuse) => {
    const length = cursor.uint(8, 'the length of a frame');
    if (length > cursor.left()) refuse(at, `a frame takes ${length} bytes, the file has ${cursor.left()} more (truncated?)`);
  },
  0x28: (at, _cursor, machine) => machine.mark(at),
  0x30: (at, _cursor, machine) => void machine.pop(at),
  0x31: (at, _cursor, machine) => void machine.popMark(at),
  0x32: (at, _cursor, machine) => machine.push(machine.top(at)),
  // Memo: BINPUT, LONG_BINPUT, MEMOIZE, BINGET, LONG_BINGET
  0x71: (at, cursor, machine) => machine.memoize(at, cursor.uint(1, 'a memo index')),
  0x72: (at, cursor, machine) => machine.memoize(at, cursor.uint(4, 'a memo index')),
  0x94: (at, _cursor, machine) => machine.memoize(at),
  0x68: (at, cursor, machine) => machine.recall(at, cursor.uint(1, 'a memo index')),
  0x6a: (at, cursor, machine) => machine.recall(at, cursor.uint(4, 'a memo index')),
  // None, True, False, numbers
  0x4e: (at, _cursor, machine) => machine.push({ kind: 'plain', at, value: null }),
  0x88: (at, _cursor, machine) => machine.push({ kind: 'plain', at, value: true }),
  0x89: (at, _cursor, machine) => machine.push({ kind: 'plain', at, value: false }),
  0x4a: (at, cursor, machine) => machine.push({ kind: 'plain', at, value: cursor.int32('a number') }),
  0x4b: (at, cursor, machine) => machine.push({ kind: 'plain', at, value: cursor.uint(1, 'a number') }),
  0x4d: (at, cursor, machine) => machine.push({ kind: 'plain', at, value: cursor.uint(2, 'a number') }),
  0x47: (at, cursor, machine) => machine.push({ kind: 'plain', at, value: cursor.float64('a number') }),
  0x8a: (at, cursor, machine, refuse) => machine.push({ kind: 'plain', at, value: longOf(at, cursor, refuse) }),
  // Bytes: SHORT_BINBYTES, BINBYTES, BINBYTES8, BYTEARRAY8; READONLY_BUFFER changes nothing here
  0x43: bytesOf(1),
  0x42: bytesOf(4),
  0x8e: bytesOf(8),
  0x96: bytesOf(8),
  0x98: (at, _cursor, machine) => void machine.top(at),
  0x97: (at, _cursor, _machine, refuse) => refuse(at, 'the data of an array is outside the pickle (an out-of-band buffer)'),
  // Text: SHORT_BINUNICODE, BINUNICODE, BINUNICODE8
  0x8c: textOf(1),
  0x58: textOf(4),
  0x8d: textOf(8),
  0x54: fromPython2,
  0x55: fromPython2,
  // Tuples
  0x29: (at, _cursor, machine) => machine.push(machine.tuple(at, [])),
  0x85: tupleOf(1),
  0x86: tupleOf(2),
  0x87: tupleOf(3),
  0x74: (at, _cursor, machine) => machine.push(machine.tuple(at, machine.popMark(at))),
  // Lists: EMPTY_LIST, APPEND, APPENDS
  0x5d: (at, _cursor, machine) => machine.push({ kind: 'list', at, depth: 1, items: [] }),
  0x61: (at, _cursor, machine) => machine.append(at, [machine.pop(at)]),
  0x65: (at, _cursor, machine) => machine.append(at, machine.popMark(at)),
  // Dicts: EMPTY_DICT, SETITEM, SETITEMS
  0x7d: (at, _cursor, machine) => machine.push({ kind: 'dict', at, depth: 1, entries: new Map() }),
  0x73: (at, _cursor, machine, refuse) => {
    const [value, key] = [machine.pop(at), machine.pop(at)];
    setItems(at, machine, [key, value], refuse);
  },
  0x75: (at, _cursor, machine, refuse) => setItems(at, machine, machine.popMark(at), refuse),
  // Names: GLOBAL, STACK_GLOBAL
  0x63: (at, cursor, machine, refuse) => {
    const [module, name] = [cursor.line('a module'), cursor.line('a name')];
    machine.push({ kind: 'global', at, name: allowed(at, module, name, refuse) });
  },
  0x93: (at, _cursor, machine, refuse) => {
    const [name, module] = [machine.pop(at), machine.pop(at)];
    const whole = allowed(at, nameOf(module, at, 'a module', refuse), nameOf(name, at, 'a name', refuse), refuse);
    machine.push({ kind: 'global', at, name: whole });
  },
  // Calls, noted down and never made: REDUCE, NEWOBJ, BUILD
  0x52: call,
  0x81: call,
  0x62: (at, _cursor, machine) => machine.build(at, machine.pop(at)),
};

function call(at: number, _cursor: Cursor, machine: Machine, refuse: Refuse): void {
  const [args, callee] = [machine.pop(at), machine.pop(at)];
  if (callee.kind !== 'global') return refuse(at, `${describe(callee)} is to be called: that is no name of a function`);
  const called = machine.call(at, callee.name, args);
  const isEmptyDict = callee.name === ORDERED_DICT && called.args.items.length === 0;
  machine.push(isEmptyDict ? { kind: 'dict', at, depth: 1, entries: new Map() } : called);
}

function allowed(at: number, module: string, name: string, refuse: Refuse): string {
  const whole = `${module}.${name}`;
  if (ALLOWED.has(whole) || whole === ORDERED_DICT) return whole;
  const hint =
    whole === 'network.Network'
      ? ' (a snapshot of the older, Theano version: only those of the TensorFlow version can be imported)'
      : ' (nothing of the file was run)';
  return refuse(at, `the pickle names ${JSON.stringify(whole)}, which no snapshot of the TensorFlow original does${hint}`);
}

function setItems(at: number, machine: Machine, pairs: readonly PickleValue[], refuse: Refuse): void {
  machine.setItems(at, pairs, (key) => nameOf(key, at, 'the key of a dict', refuse));
}

function bytesOf(lengthBytes: 1 | 4 | 8): Operation {
  return (at, cursor, machine) =>
    machine.push({ kind: 'bytes', at, data: cursor.take(cursor.uint(lengthBytes, 'a length'), 'a byte string') });
}

function textOf(lengthBytes: 1 | 4 | 8): Operation {
  return (at, cursor, machine) => machine.push({ kind: 'text', at, utf8: cursor.take(cursor.uint(lengthBytes, 'a length'), 'a text') });
}

function tupleOf(size: 1 | 2 | 3): Operation {
  return (at, _cursor, machine) => {
    const items = Array.from({ length: size }, () => machine.pop(at)).toReversed();
    machine.push(machine.tuple(at, items));
  };
}

/** LONG1: a number of up to eight bytes in two's complement, low ones first. */
function longOf(at: number, cursor: Cursor, refuse: Refuse): number {
  const bytes = cursor.take(cursor.uint(1, 'a length'), 'a number');
  if (bytes.byteLength > 8) return refuse(at, `a number of ${bytes.byteLength} bytes is larger than any in a snapshot`);
  const unsigned = bytes.reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n);
  const value = Number(BigInt.asIntN(8 * bytes.byteLength, unsigned));
  return Number.isSafeInteger(value) ? value : refuse(at, `the number ${value} is larger than any in a snapshot`);
}

function fromPython2(at: number, _cursor: Cursor, _machine: Machine, refuse: Refuse): void {
  refuse(at, 'the pickle was written by Python 2: load it in Python 3 with encoding="latin1" and pickle it again');
}

function named(opcode: number): string {
  const hex = `0x${opcode.toString(16).padStart(2, '0')}`;
  return opcode > 0x20 && opcode < 0x7f ? `${hex} ('${String.fromCharCode(opcode)}')` : hex;
}
