import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NETWORK_DEFAULTS } from './run.ts';
import { variableBytes, forwardMacs, parameters } from './cost.ts';

test('networks have as many parameters as the reference prints for them', () => {
  assert.deepEqual(parameters(NETWORK_DEFAULTS, 64), { generator: 22_485_765, discriminator: 22_493_441 });
  assert.deepEqual(parameters(NETWORK_DEFAULTS, 128), { generator: 22_928_518, discriminator: 22_936_449 });
  assert.deepEqual(parameters(NETWORK_DEFAULTS, 512), { generator: 23_067_048, discriminator: 23_075_169 });
  assert.deepEqual(parameters({ ...NETWORK_DEFAULTS, channels: 3 }, 1024), { generator: 23_079_115, discriminator: 23_087_249 });
});

test('a forward pass of both networks at 512x512 takes twice 22.9 billion multiply-adds', () => {
  assert.equal((forwardMacs(NETWORK_DEFAULTS, 512) / 2e9).toFixed(1), '22.9');
});

test('a checkpoint of the 512x512 networks is about 650 MB', () => {
  assert.equal(Math.round(variableBytes(NETWORK_DEFAULTS, 512) / 1e7), 65);
});
