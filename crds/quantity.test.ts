/** Quantities mean what Kubernetes' documentation says they do. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { quantityValue } from './quantity.ts';

// The first four are one quantity in the words of https://kubernetes.io/docs/concepts/configuration/manage-resources-containers.
const cases: readonly (readonly [string | number, number | undefined])[] = [
  ['128974848', 128974848],
  ['129e6', 129e6],
  ['129M', 129e6],
  ['128974848000m', 128974848],
  ['123Mi', 123 * 1024 ** 2],
  ['16Gi', 17179869184],
  ['1.5Gi', 1610612736],
  ['1E', 1e18],
  ['1e3', 1000],
  [2, 2],
  ['16GB', undefined],
  ['', undefined],
  ['Gi', undefined],
];

for (const [quantity, value] of cases) {
  test(`quantity ${JSON.stringify(quantity)} is ${value ?? 'none'}`, () => assert.equal(quantityValue(quantity), value));
}
