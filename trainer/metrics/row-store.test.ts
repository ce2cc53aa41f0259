import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import * as fc from 'fast-check';
import { createRowStore, type RowPlace } from './row-store.ts';

async function readAll(place: RowPlace, rowLength: number, parts: readonly Float32Array[]): Promise<number[][]> {
  const store = createRowStore(rowLength, place);
  for (const part of parts) {
    const reused = part.slice();
    await store.append(reused);
    reused.fill(-1);
  }
  const passes: number[][] = [];
  for (let pass = 0; pass < 2; pass++) {
    const values: number[] = [];
    for await (const chunk of store.chunks()) {
      assert.equal(chunk.length % rowLength, 0);
      for (const value of chunk) values.push(value);
    }
    passes.push(values);
  }
  assert.equal(store.rows * rowLength, passes[0]?.length);
  await store.dispose();
  return passes;
}

test('rows come back in order, as often as they are read, from memory and from a file that has no name', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'pggan-row-store-'));
  t.after(() => rm(folder, { recursive: true }));
  // Rows of 100,000 numbers: at most two fit into what is read at a time.
  const rows = fc.record({
    rowLength: fc.constantFrom(1, 49, 100_000),
    counts: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }),
  });
  await fc.assert(
    fc.asyncProperty(rows, async ({ rowLength, counts }) => {
      let next = 0;
      const parts = counts.map((count) => new Float32Array(count * rowLength).map(() => next++ % 65536));
      const expected = parts.flatMap((part) => [...part]);
      for (const place of [{ kind: 'memory' }, { kind: 'file', folder }] as const) {
        for (const values of await readAll(place, rowLength, parts)) assert.deepEqual(values, expected);
      }
      assert.deepEqual(await readdir(folder), []);
    }),
    { numRuns: 15 },
  );
});
