import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isTrue, transitioned } from './conditions.ts';

const wanted = (status: 'True' | 'False', message: string) => [
  { type: 'Ready', status, reason: 'R', message, observedGeneration: 2 },
  { type: 'Stalled', status: 'True' as const, reason: 'R', message, observedGeneration: 2 },
];

test('a condition keeps its time while its status is the same, whatever else changes, and its place', () => {
  const first = transitioned(wanted('True', 'one'), [], new Date('2026-01-01T00:00:00.500Z'));
  assert.deepEqual(
    first.map(({ type, lastTransitionTime }) => [type, lastTransitionTime]),
    [
      ['Ready', '2026-01-01T00:00:00Z'],
      ['Stalled', '2026-01-01T00:00:00Z'],
    ],
  );
  const second = transitioned(wanted('False', 'two'), first.toReversed(), new Date('2026-01-01T01:00:00Z'));
  assert.deepEqual(
    second.map(({ type, message, lastTransitionTime }) => [type, message, lastTransitionTime]),
    [
      ['Ready', 'two', '2026-01-01T01:00:00Z'],
      ['Stalled', 'two', '2026-01-01T00:00:00Z'],
    ],
  );
  assert.deepEqual([isTrue(second, 'Ready'), isTrue(second, 'Stalled'), isTrue(undefined, 'Ready')], [false, true, false]);
});
