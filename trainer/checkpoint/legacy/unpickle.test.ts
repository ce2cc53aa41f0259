/** Attacks by single opcodes, as bytes: what no pickler writes. Pickles that a pickler does write are in snapshot.test.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { PgganError } from '../../../crds/errors.ts';
import { unpickle } from './unpickle.ts';
import { type PickleValue, refusalsOf } from './values.ts';

const read = (bytes: Uint8Array): PickleValue => unpickle(bytes, refusalsOf('x.pkl'));
/** A pickle of protocol 4: text is bytes of Latin-1, numbers are bytes. */
const pickle = (...parts: readonly (string | number)[]): Buffer =>
  Buffer.concat([
    Buffer.from([0x80, 4]),
    ...parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from([part]))),
  ]);
const text = (value: string): string => `\x8c${String.fromCharCode(value.length)}${value}`;
const u32 = (value: number): string => Buffer.from(Uint32Array.of(value).buffer).toString('latin1');
const u64 = (value: bigint): string => Buffer.from(BigUint64Array.of(value).buffer).toString('latin1');

const ATTACKS: Readonly<Record<string, readonly [bytes: Buffer, message: RegExp]>> = {
  'an empty file': [Buffer.alloc(0), /byte 0: a pickle takes 1 bytes, the file has 0/],
  'no pickle': [Buffer.from('PK\x03\x04'), /no pickle of protocol 2 or newer/],
  'a pickle of protocol 0': [Buffer.from("cos\nsystem\n(S'ls'\ntR."), /no pickle of protocol 2 or newer/],
  'a pickle of protocol 9': [Buffer.from([0x80, 9, 0x4e, 0x2e]), /byte 1: pickle protocol 9/],
  'a pickle without an end': [pickle('N'), /byte 3: the next opcode/],
  'bytes after the end': [pickle('N.', 'cos\nsystem\n.'), /byte 4: 12 bytes follow the end/],
  'another protocol in the middle': [pickle(0x80, 4, 'N.'), /opcode 0x80 has no place/],
  'two values at the end': [pickle('NN.'), /ends with 2 values/],
  'no value at the end': [pickle('.'), /ends with 0 values/],
  'an open mark at the end': [pickle('N(.'), /ends inside a mark/],
  'a value that is not there': [pickle('0.'), /byte 2: the opcode needs a value/],
  'a value below a mark': [pickle('N(0.'), /byte 4: the opcode needs a value/],
  'a mark that is not there': [pickle('Nt.'), /byte 3: the opcode needs a mark/],
  'a memo entry that is not there': [pickle('h', 7, '.'), /memo 7 is asked for and was never set/],
  'a memo entry of nothing': [pickle('q', 0, '.'), /byte 2: the opcode needs a value/],
  'bytes of 4 GiB': [pickle('B', u32(0xffff_ffff), '....'), /takes 4294967295 bytes, the file has 4 more/],
  'bytes of minus five': [pickle('B', u32(-5), '....'), /takes 4294967291 bytes/],
  'bytes of 16 EiB': [pickle(0x8e, u64(0xffff_ffff_ffff_ffffn), '.'), /takes 18446744073709552000 bytes/],
  'a byte array of 8 EiB': [pickle(0x96, u64(0x7fff_ffff_ffff_ffffn), '.'), /takes 9223372036854776000 bytes/],
  'text of 4 GiB': [pickle('X', u32(0xffff_ffff), '.'), /takes 4294967295 bytes/],
  'a frame beyond the end': [pickle(0x95, u64(1n << 40n), 'N.'), /a frame takes 1099511627776 bytes/],
  'a number of 200 bytes': [pickle(0x8a, 200, 'x'.repeat(200), '.'), /a number of 200 bytes is larger/],
  'a number beyond 2^53': [pickle(0x8a, 8, '\x7f'.repeat(8), '.'), /is larger than any in a snapshot/],
  'a number as text': [pickle('I1\n.'), /opcode 0x49 \('I'\) has no place/],
  'a name that never ends': [pickle('c', 'a'.repeat(300)), /a module does not end within 256 bytes/],
  'a name of 300 bytes': [pickle('X', u32(300), 'a'.repeat(300), text('x'), 0x93, '.'), /a module has 300 bytes/],
  'a name that is no text': [pickle('NN', 0x93, '.'), /a module should be text but is None/],
  'a name with a dot that reaches further': [
    pickle(text('tfutil'), text('Network.__init__'), 0x93, '.'),
    /names "tfutil.Network.__init__"/,
  ],
  'the constructor of everything': [pickle(text('constructor'), text('constructor'), 0x93, '.'), /names "constructor.constructor"/],
  'a class of the Theano version': [pickle('cnetwork\nNetwork\n.'), /Theano version/],
  'an old-style instance': [pickle('(ios\nsystem\n.'), /opcode 0x69 \('i'\) has no place/],
  'an object by OBJ': [pickle('(cos\nsystem\no.'), /names "os.system"/],
  'keyword arguments': [pickle('ctfutil\nNetwork\n)}', 0x92, '.'), /opcode 0x92 has no place/],
  'a persistent object': [pickle('P1\n.'), /opcode 0x50 \('P'\) has no place/],
  'an extension': [pickle(0x82, 1, '.'), /opcode 0x82 has no place/],
  'an out-of-band buffer': [pickle(0x97, '.'), /out-of-band/],
  'a call of a text': [pickle(text('eval'), ')R.'), /the text "eval" is to be called/],
  'a call of a result': [pickle('ctfutil\nNetwork\n)R)R.'), /an object of tfutil.Network is to be called/],
  'arguments that are a list': [pickle('ctfutil\nNetwork\n]R.'), /arguments of tfutil.Network should be a tuple but are a list/],
  'the state of a function': [pickle('cnumpy\ndtype\n}', text('__proto__'), '}sb.'), /BUILD wants a call, but there is numpy.dtype/],
  'the state of a dict': [pickle('}}b.'), /BUILD wants a call, but there is a dict/],
  'a second state': [pickle('ctfutil\nNetwork\n)', 0x81, '}b}b.'), /given a state twice/],
  'appending to a tuple': [pickle(')Na.'), /appending wants a list, but there is a tuple/],
  'an item of a list': [pickle(']', text('push'), 'Ns.'), /setting items wants a dict, but there is a list/],
  'a key that is a number': [pickle('}K', 1, 'Ns.'), /key of a dict should be text but is 1/],
  'a key twice': [pickle('}', text('a'), 'Ns', text('a'), 'Ns.'), /the key "a" is set twice/],
  'a key without a value': [pickle('}(', text('a'), 'u.'), /a key without a value/],
  'tuples in tuples': [pickle('N', '\x85'.repeat(100_000), '.'), /nested more than 32 deep/],
  'marks in marks': [pickle('('.repeat(100_000), '.'), /marks are nested more than 32 deep/],
  'a list in itself': [pickle(']', '\x94', 'h\x00a'.repeat(40), '.'), /nested more than 32 deep/],
  'a memo without end': [pickle('N', '\x94'.repeat(300_000), '.'), /more than 250000 opcodes/],
  'a list without end': [pickle('](', 'N'.repeat(300_000), 'e.'), /more than 250000 opcodes/],
  'a string of Python 2': [pickle('U', 1, 'a.'), /written by Python 2/],
};

for (const [name, [bytes, message]] of Object.entries(ATTACKS)) {
  test(`refused: ${name}`, () => {
    assert.throws(
      () => read(bytes),
      (error: unknown) => {
        assert(error instanceof PgganError, String(error));
        assert.equal(error.code, 'SnapshotInvalid');
        assert.match(error.message, /^x\.pkl, byte \d+: /);
        assert.match(error.message, message);
        return true;
      },
    );
  });
}

test('a key __proto__ is a key like any other: no prototype changes', () => {
  const value = read(pickle('}', text('__proto__'), '}', text('polluted'), 0x88, 'ss.'));
  assert(value.kind === 'dict');
  assert.deepEqual([...value.entries.keys()], ['__proto__']);
  assert.equal(Object.getPrototypeOf(value.entries), Map.prototype);
  assert.equal(({} as { readonly polluted?: unknown }).polluted, undefined);
});

test('a call stays the description of a call', () => {
  const value = read(pickle('c_codecs\nencode\n', text('abc'), text('latin1'), 0x86, 'R.'));
  assert(value.kind === 'call');
  assert.deepEqual([value.callee, value.args.items.length, value.state], ['_codecs.encode', 2, undefined]);
});

test('numbers of every form are read with their signs', () => {
  const numbers: readonly (readonly [Buffer, number])[] = [
    [pickle('K', 255, '.'), 255],
    [pickle('M', 1, 2, '.'), 513],
    [pickle('J', u32(-2), '.'), -2],
    [pickle(0x8a, 0, '.'), 0],
    [pickle(0x8a, 1, 0xff, '.'), -1],
    [pickle(0x8a, 2, 0, 0x80, '.'), -32768],
    [pickle('G', '\x3f\xf8\0\0\0\0\0\0', '.'), 1.5],
  ];
  for (const [bytes, wanted] of numbers) assert.deepEqual({ ...read(bytes), at: 0 }, { kind: 'plain', at: 0, value: wanted });
});

test('whatever the bytes are, they are refused with a code or read as data', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.constantFrom(...Buffer.from('(tR)}]busae0N2hq.c\n')), fc.integer({ min: 0, max: 255 }))), (bytes) => {
      try {
        read(pickle(...bytes));
      } catch (error) {
        assert(error instanceof PgganError && error.code === 'SnapshotInvalid', String(error));
      }
    }),
    { numRuns: 2000 },
  );
});
