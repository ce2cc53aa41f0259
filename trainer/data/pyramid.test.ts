import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { shared } from '../../test/harness/shared.ts';
import { floatsOf, parseSafetensors } from '../checkpoint/safetensors.ts';
import { halved, pyramid, rint } from './pyramid.ts';

test('a 32x32 image has the golden pyramid: means carried unrounded, stored rounded half to even', async (t) => {
  const file = shared(t, 'golden/pyramid32.safetensors');
  if (file === undefined) return;
  const { tensors } = parseSafetensors(await readFile(file), file);
  const tensor = (name: string): NonNullable<ReturnType<typeof tensors.get>> => tensors.get(name) ?? assert.fail(`no ${name}`);
  const levels = pyramid(tensor('in_u8').data, 1, 32);
  assert.deepEqual(
    levels.map((level) => level.resolution),
    [32, 16, 8, 4],
  );
  for (const { resolution, pixels } of levels) assert.deepEqual([...pixels], [...tensor(`u8_${resolution}`).data]);
  let values = Float32Array.from(tensor('in_u8').data);
  for (const size of [16, 8, 4]) {
    values = halved(values, 1, size * 2);
    assert.deepEqual([...values], [...floatsOf(tensor(`mean_f32_${size}`), `mean_f32_${size}`)]);
  }
});

test('halves are rounded to the even neighbour', () => {
  assert.deepEqual([0.5, 1.5, 2.5, 254.5, 255, 3.49, 3.51].map(rint), [0, 2, 2, 254, 255, 3, 4]);
});
