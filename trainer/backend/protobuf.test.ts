import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import * as fc from 'fast-check';
import { prepareBackend } from './backend.ts';
import { DTYPE, native } from './native.ts';
import { attrValue, savedModel, tensorProto } from './protobuf.ts';
import { loadSession } from './session.ts';

before(async () => {
  await prepareBackend({ threads: 2, want: 'native' });
});

/** What TensorFlow makes of a constant that we wrote. */
function readBack(
  dtype: number,
  shape: readonly number[],
  content: Buffer,
): { readonly shape: readonly number[]; readonly dtype: number; readonly content: Buffer } {
  const attributes = new Map([
    ['dtype', attrValue.type(dtype)],
    ['value', attrValue.tensor(tensorProto(dtype, shape, content))],
  ]);
  const session = loadSession(native()!, [{ name: 'c', op: 'Const', inputs: [], attributes }]);
  const [output] = session.run([], ['c']);
  const data = native()!.binding.tensorDataSync(output!.id);
  native()!.binding.deleteTensor(output!.id);
  session.dispose();
  return { shape: output!.shape, dtype: output!.dtype, content: Buffer.from(data.buffer, data.byteOffset, data.byteLength) };
}

const shapes = fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 4 });
const size = (shape: readonly number[]): number => shape.reduce((product, side) => product * side, 1);

for (const [name, dtype, bytes] of [
  ['float32', DTYPE.float32, 4],
  ['int32', DTYPE.int32, 4],
  ['bool', DTYPE.bool, 1],
] as const) {
  test(`TensorFlow reads constants of ${name} as they were written, shape and bits, also those of one value repeated`, () => {
    const element =
      bytes === 1
        ? fc.constantFrom(Buffer.of(0), Buffer.of(1))
        : fc.uint8Array({ minLength: 4, maxLength: 4 }).map((raw) => Buffer.from(raw));
    const constant = shapes.chain((shape) =>
      fc
        .oneof(
          fc.array(element, { minLength: size(shape), maxLength: size(shape) }),
          element.map((value) => Array.from({ length: size(shape) }, () => value)),
        )
        .map((elements) => ({ shape, content: Buffer.concat(elements) })),
    );
    fc.assert(
      fc.property(constant, ({ shape, content }) => {
        assert.deepEqual(readBack(dtype, shape, content), { shape, dtype, content });
      }),
      { numRuns: 60 },
    );
  });
}

test('a large tensor of one value takes no room in the graph', () => {
  const zeros = tensorProto(DTYPE.float32, [1024, 1024], Buffer.alloc(4 * 1024 * 1024));
  assert.ok(zeros.length < 64);
  const negative = Buffer.from(Int32Array.from({ length: 100 }, () => -7).buffer);
  assert.deepEqual(readBack(DTYPE.int32, [100], negative).content, negative);
  assert.ok(savedModel([]).length < 64);
});
