/** The estimate of a phase's time against what steps really took. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MEASURED_STEPS, MEASURED_WITH } from './estimate.cases.ts';
import { phaseSecondsPerKimg } from './estimate.ts';
import { NETWORK_DEFAULTS } from './run.ts';

const NETWORKS = { small: { ...NETWORK_DEFAULTS, fmapBase: 1024, fmapMax: 64, latentSize: 64 }, full: NETWORK_DEFAULTS };
const { minibatch, threads } = MEASURED_WITH;

for (const [width, resolution, precision, measured] of MEASURED_STEPS) {
  test(`time of ${resolution}x${resolution}, ${width} networks, ${precision}: within a factor of 1.7 of ${measured} s per 1,000 images`, () => {
    const estimated = phaseSecondsPerKimg({ network: NETWORKS[width], resolution, minibatch, precision }, threads);
    assert(Math.abs(Math.log(estimated / measured)) <= Math.log(1.7), `estimated ${estimated.toPrecision(3)} s`);
  });
}

test('smaller passes cost more: as many operations are started for fewer images', () => {
  const shape = { network: NETWORKS.small, resolution: 8, minibatch: 16, precision: 'Float32' } as const;
  const whole = phaseSecondsPerKimg(shape, threads);
  assert(phaseSecondsPerKimg({ ...shape, microbatch: 4 }, threads) > whole);
  assert.equal(phaseSecondsPerKimg({ ...shape, microbatch: 16 }, threads), whole);
});
