import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { judge } from '../../test/harness/judge.ts';
import { shared } from '../../test/harness/shared.ts';
import { type Dtype, floatsOf, parseSafetensors, type StoredTensor, serializeSafetensors, storedFloats } from './safetensors.ts';

const SIZES: readonly (readonly [Dtype, number])[] = [
  ['F32', 4],
  ['U8', 1],
  ['BF16', 2],
  ['I64', 8],
];

const tensor: fc.Arbitrary<StoredTensor> = fc
  .record({ type: fc.constantFrom(...SIZES), shape: fc.array(fc.nat(4), { maxLength: 4 }), fill: fc.nat(255) })
  .map(({ type: [dtype, size], shape, fill }) => ({
    dtype,
    shape,
    data: new Uint8Array(shape.reduce((all, n) => all * n, size)).map((_, i) => (i * 31 + fill) & 255),
  }));
const name = fc.string({ minLength: 1, maxLength: 20 }).filter((text) => text !== '__metadata__');
const table = fc.uniqueArray(fc.tuple(name, tensor), { selector: ([key]) => key, maxLength: 8 }).map((entries) => new Map(entries));

test('a table of tensors survives writing and reading, names such as __proto__ and 1 included', () => {
  fc.assert(
    fc.property(table, (tensors) => {
      const read = parseSafetensors(Buffer.concat(serializeSafetensors(tensors, { by: 'test' })), 'x');
      assert.deepEqual(read.metadata, { by: 'test' });
      assert.equal(read.tensors.size, tensors.size);
      for (const [key, { dtype, shape, data }] of tensors) {
        const got = read.tensors.get(key);
        assert.deepEqual([got?.dtype, got?.shape, Buffer.from(got?.data ?? [])], [dtype, shape, Buffer.from(data)], key);
      }
    }),
    {
      examples: [
        [
          new Map([
            ['__proto__', storedFloats([1], new Float32Array([1]))],
            ['1', storedFloats([], new Float32Array([2]))],
          ]),
        ],
      ],
    },
  );
});

test('equal tables give equal bytes whatever their order', () => {
  fc.assert(
    fc.property(table, (tensors) => {
      const reversed = new Map([...tensors].toReversed());
      assert.deepEqual(Buffer.concat(serializeSafetensors(reversed)), Buffer.concat(serializeSafetensors(tensors)));
    }),
  );
});

test('the data begins at a multiple of eight bytes and no tensor is copied', () => {
  const values = new Float32Array([1, 2, 3]);
  const [header, data] = serializeSafetensors(new Map([['w', storedFloats([3], values)]]));
  assert.equal((header?.byteLength ?? 1) % 8, 0);
  assert.equal(data?.buffer, values.buffer);
});

test('a damaged file is never read as something else: any single changed header byte is refused or leaves tensors in bounds', () => {
  const whole = Buffer.concat(
    serializeSafetensors(
      new Map([
        ['a', storedFloats([2, 3], new Float32Array(6))],
        ['b', storedFloats([1], new Float32Array(1))],
      ]),
    ),
  );
  const headerEnd = 8 + Number(whole.readBigUInt64LE(0));
  fc.assert(
    fc.property(fc.nat(headerEnd - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] ?? 0) ^ flip;
      try {
        const total = [...parseSafetensors(bytes, 'x').tensors.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
        assert.equal(total, bytes.byteLength - 8 - Number(bytes.readBigUInt64LE(0)));
      } catch (error) {
        assert.ok(error instanceof Error && 'code' in error && error.code === 'CheckpointInvalid', String(error));
      }
    }),
  );
});

test('every truncation is refused', () => {
  const whole = Buffer.concat(serializeSafetensors(new Map([['a', storedFloats([2], new Float32Array(2))]])));
  for (let length = 0; length < whole.byteLength; length++) {
    assert.throws(() => parseSafetensors(whole.subarray(0, length), 'cut'), {
      code: 'CheckpointInvalid',
      message: /^cut is not a sound safetensors file/,
    });
  }
});

const f32 = (shape: readonly unknown[], begin: number, end: number) => ({ dtype: 'F32', shape, data_offsets: [begin, end] });

function file(header: unknown, dataBytes: number): Buffer {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.byteLength));
  return Buffer.concat([length, json, Buffer.alloc(dataBytes)]);
}

const HOSTILE: readonly (readonly [string, Buffer, RegExp])[] = [
  ['a header length beyond all memory', Buffer.from('ffffffffffffff7f7b7d', 'hex'), /its header claims \d+ bytes, more than/],
  ['a header that is no JSON', file('{"a":', 0), /is not JSON/],
  ['a header that is no UTF-8', Buffer.concat([Buffer.from('0200000000000000', 'hex'), Buffer.from([0xff, 0xfe])]), /is not JSON/],
  ['a header that is a list', file([], 0), /is no JSON object/],
  ['metadata that is no text', file({ __metadata__: { a: 1 } }, 0), /__metadata__ "a" is no string/],
  ['an entry that is null', file({ a: null }, 0), /entry of tensor "a" is no object/],
  ['an unknown type', file({ a: { ...f32([1], 0, 4), dtype: 'F31' } }, 4), /unknown type "F31"/],
  ['a type out of the prototype', file({ a: { ...f32([1], 0, 4), dtype: 'constructor' } }, 4), /unknown type/],
  ['a negative size', file({ a: f32([-1], 0, 4) }, 4), /no valid shape/],
  ['a fraction as size', file({ a: f32([0.5], 0, 2) }, 2), /no valid shape/],
  ['a shape whose product overflows', file({ a: f32([2 ** 31, 2 ** 31, 4], 0, 0) }, 0), /takes Infinity bytes/],
  ['offsets backwards', file({ a: f32([1], 4, 0) }, 4), /data_offsets span -4/],
  ['offsets past the end', file({ a: f32([2], 0, 8) }, 4), /ends at byte 8 of 4/],
  ['offsets that fit no shape', file({ a: f32([1], 0, 8) }, 8), /takes 4 bytes, its data_offsets span 8/],
  ['overlapping tensors', file({ a: f32([2], 0, 8), b: f32([1], 4, 8) }, 8), /tensor "b" overlaps/],
  ['a gap between tensors', file({ a: f32([1], 0, 4), b: f32([1], 8, 12) }, 12), /bytes 4 to 8 belong to no tensor/],
  ['bytes after the last tensor', file({ a: f32([1], 0, 4) }, 5), /1 bytes after the last tensor/],
];
for (const [what, bytes, message] of HOSTILE) {
  test(`${what} is refused by name and reason`, () => {
    assert.throws(
      () => parseSafetensors(bytes, 'hostile.safetensors'),
      (error: Error) => {
        assert.match(error.message, /^hostile\.safetensors /);
        assert.match(error.message, message);
        return 'code' in error && error.code === 'CheckpointInvalid';
      },
    );
  });
}

test('data and shape that disagree are a programming error and nothing is written', () => {
  assert.throws(() => serializeSafetensors(new Map([['a', { dtype: 'F32', shape: [2], data: new Uint8Array(4) }]])), RangeError);
});

test('floats are read from unaligned bytes too, and only from floats', () => {
  const bytes = new Uint8Array(9).subarray(1);
  new DataView(bytes.buffer, 1).setFloat32(4, 2.5, true);
  assert.deepEqual([...floatsOf({ dtype: 'F32', shape: [2], data: bytes }, 'w')], [0, 2.5]);
  assert.throws(() => floatsOf({ dtype: 'F16', shape: [4], data: bytes }, 'w'), { code: 'CheckpointInvalid' });
});

test('files written by the Python package are read, metadata included', (t) => {
  const path = shared(t, 'golden/a_base.safetensors');
  if (!path) return;
  const { tensors } = parseSafetensors(readFileSync(path), path);
  assert.ok(tensors.size > 10);
  for (const [key, { dtype, shape }] of tensors) assert.ok(dtype.length > 1 && shape.every(Number.isInteger), key);
});

test('the Python package reads what is written here, value for value', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'pggan-safetensors-'));
  t.after(() => rm(folder, { recursive: true }));
  const values = new Float32Array([1.5, -2.25, 3e-38, 4]);
  const tensors = new Map<string, StoredTensor>([
    ['4x4/Dense/weight', storedFloats([2, 2], values)],
    ['bytes', { dtype: 'U8', shape: [3], data: new Uint8Array([7, 8, 9]) }],
    ['empty', storedFloats([0, 5], new Float32Array())],
  ]);
  await writeFile(join(folder, 'x.safetensors'), Buffer.concat(serializeSafetensors(tensors, { title: 'künstlich' })));
  const out = judge(
    t,
    `
import json, sys
from safetensors import safe_open
from safetensors.numpy import save_file
import numpy as np
with safe_open(sys.argv[1], 'np') as f:
    print(json.dumps({'metadata': f.metadata(), **{k: [str(f.get_tensor(k).dtype), list(f.get_tensor(k).shape), f.get_tensor(k).tolist()] for k in f.keys()}}))
save_file({'b': np.arange(6, dtype=np.float32).reshape(2, 3), 'a': np.array([True, False])}, sys.argv[2], {'k': 'v'})
`,
    [join(folder, 'x.safetensors'), join(folder, 'y.safetensors')],
  );
  if (out === undefined) return;
  assert.deepEqual(JSON.parse(out), {
    metadata: { title: 'künstlich' },
    '4x4/Dense/weight': [
      'float32',
      [2, 2],
      [
        [values[0], values[1]],
        [values[2], values[3]],
      ],
    ],
    bytes: ['uint8', [3], [7, 8, 9]],
    empty: ['float32', [0, 5], []],
  });
  const back = parseSafetensors(await readFile(join(folder, 'y.safetensors')), 'y');
  assert.deepEqual(back.metadata, { k: 'v' });
  assert.deepEqual([...floatsOf(back.tensors.get('b') ?? assert.fail(), 'b')], [0, 1, 2, 3, 4, 5]);
  assert.deepEqual([back.tensors.get('a')?.dtype, back.tensors.get('a')?.shape], ['BOOL', [2]]);
});
