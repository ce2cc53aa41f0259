import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { isKubeError } from './errors.ts';
import { lines } from './lines.ts';

async function* chunksOf(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (const size of sizes) {
    yield bytes.subarray(at, at + size);
    at += size;
  }
  yield bytes.subarray(at);
}

async function* endless(): AsyncGenerator<Uint8Array> {
  for (;;) yield Buffer.alloc(2 ** 20, 'x');
}

async function collect(source: AsyncIterable<string>): Promise<readonly string[]> {
  const all: string[] = [];
  for await (const line of source) all.push(line);
  return all;
}

test('lines are the same wherever the bytes are cut, in the middle of a letter too', async () => {
  const line = fc.string({ unit: 'grapheme' }).filter((text) => !/[\r\n]/.test(text) && text.trimEnd() === text && text !== '');
  await fc.assert(
    fc.asyncProperty(fc.array(line), fc.array(fc.nat(7)), async (given, sizes) => {
      const bytes = Buffer.from(given.map((text) => `${text}\n`).join(''));
      assert.deepEqual(await collect(lines(chunksOf(bytes, sizes))), given);
    }),
  );
});

test('a stream that ends inside a line was cut off', async () => {
  await assert.rejects(collect(lines(chunksOf(Buffer.from('{}\n{"type":'), []))), (error) => isKubeError(error, 'Dropped'));
});

test('a line without an end does not fill the memory', async () => {
  await assert.rejects(collect(lines(endless())), (error) => isKubeError(error, 'Malformed'));
});
