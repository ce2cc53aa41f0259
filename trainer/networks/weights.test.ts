import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NETWORK_DEFAULTS } from '../../crds/run.ts';
import { GOLDEN_CASES, goldenCase } from '../../test/harness/golden.ts';
import { layerTable } from './layer-table.ts';
import { discriminatorWeights, generatorWeights, type NetworkShape, parameterCount, usedWeights } from './weights.ts';

const shapeOf = (resolution: number, channels: 1 | 3 = 1): NetworkShape => ({ ...NETWORK_DEFAULTS, resolution, channels, labelSize: 0 });

test('the networks have as many parameters as the published ones', () => {
  const published = [
    [64, 1, 22_485_765, 22_493_441],
    [128, 1, 22_928_518, 22_936_449],
    [256, 1, 23_039_303, 23_047_361],
    [512, 1, 23_067_048, 23_075_169],
    [1024, 3, 23_079_115, 23_087_249],
  ] as const;
  for (const [resolution, channels, G, D] of published) {
    const shape = shapeOf(resolution, channels);
    assert.equal(parameterCount(generatorWeights(shape)), G, `G at ${resolution}`);
    assert.equal(parameterCount(discriminatorWeights(shape)), D, `D at ${resolution}`);
  }
});

for (const name of GOLDEN_CASES) {
  test(`${name}: names, order and stored shapes of the weights are the reference's`, (t) => {
    const golden = goldenCase(t, name);
    if (!golden) return;
    const specs = { G: generatorWeights(golden.shape), D: discriminatorWeights(golden.shapeD) };
    for (const network of ['G', 'D'] as const) {
      assert.deepEqual(
        specs[network].map((spec) => spec.name),
        golden.weightNames[network],
      );
      for (const { name, shape } of specs[network]) assert.deepEqual(shape, golden.values(`weights/${network}/${name}`).shape, name);
    }
  });
}

test('a fade-in uses the images of two resolutions, otherwise one', () => {
  const specs = generatorWeights(shapeOf(16));
  const rgb = (fading: boolean): readonly string[] =>
    usedWeights(specs, 8, fading).filter((name) => name.startsWith('ToRGB') && name.endsWith('weight'));
  assert.deepEqual(rgb(false), ['ToRGB_lod1/weight']);
  assert.deepEqual(rgb(true), ['ToRGB_lod2/weight', 'ToRGB_lod1/weight']);
  assert.ok(!usedWeights(specs, 8, true).some((name) => name.startsWith('16x16')));
});

test('without equalised learning rate the scale is in the initial values instead', () => {
  const equalised = generatorWeights(shapeOf(8));
  const plain = generatorWeights({ ...shapeOf(8), useWscale: false });
  for (const [index, spec] of equalised.entries()) {
    const other = plain[index];
    assert.equal(other?.scale, 1);
    if (spec.init.kind === 'normal') assert.deepEqual([spec.init.std, other.init], [1, { kind: 'normal', std: spec.scale }]);
  }
  // He: sqrt(2 / fan-in), a quarter of it for the first layer.
  assert.ok(Math.abs((equalised[0]?.scale ?? 0) - Math.SQRT2 / 4 / Math.sqrt(512)) < 1e-12);
});

test('the layer table names every layer with its shapes and ends in the total', () => {
  const lines = layerTable('G', shapeOf(512)).split('\n');
  assert.match(lines[0] ?? '', /^G +Params +OutputShape +WeightShape *$/);
  assert.ok(lines.some((line) => /^4x4\/Dense +4194816 +\(\?, 512, 4, 4\) +\(512, 8192\)$/.test(line)));
  assert.ok(lines.some((line) => /^512x512\/Conv0_up +18464 +\(\?, 32, 512, 512\) +\(3, 3, 32, 64\)$/.test(line)));
  assert.match(lines.at(-1) ?? '', /^Total +23067048 *$/);
  assert.match(layerTable('D', shapeOf(512)).split('\n').at(-1) ?? '', /^Total +23075169 *$/);
});
