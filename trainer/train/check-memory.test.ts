/** A run that does not fit is refused by what it needs, what there is and what would fit; one that barely does is warned of. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PgganError } from '../../crds/errors.ts';
import { phaseMemoryBytes, type PhaseShape } from '../../crds/memory.ts';
import { NETWORK_DEFAULTS } from '../../crds/run.ts';
import { checkMemory } from './check-memory.ts';

const NATIVE = { kind: 'native', device: 'cpu' } as const;
const WASM = { kind: 'wasm', device: 'cpu' } as const;
const phaseOf = (resolution: number, minibatch: number, precision: PhaseShape['precision'] = 'Float32'): PhaseShape => ({
  network: NETWORK_DEFAULTS,
  finalResolution: 512,
  resolution,
  minibatch,
  precision,
});
const limitOf = (bytes: number, freeBytes?: number) => () => ({ bytes, source: "the control group's limit", freeBytes });
const refused = (code: string, check: () => unknown): PgganError => {
  try {
    check();
  } catch (error) {
    assert(error instanceof PgganError && error.code === code, String(error));
    return error;
  }
  return assert.fail('it was not refused');
};

test('a phase that does not fit is refused with exit code 3, its need, the limit, and the largest minibatch that fits', () => {
  const phase = phaseOf(128, 16);
  const { exitCode, message } = refused('DoesNotFit', () => checkMemory([phaseOf(4, 16), phase], NATIVE, limitOf(9e9)));
  assert.equal(exitCode, 3);
  const [, need, largest, part] =
    /^128x128 needs ([\d.]+) GB .* limit is 9\.0 GB: the largest minibatch that fits is (\d+), and the largest microbatch of this one is (\d+)\. /.exec(
      message,
    ) ?? [];
  assert.equal(need, (phaseMemoryBytes(phase) / 1e9).toFixed(1));
  assert.match(message, /spec\.phases\[resolution 128\].*template\.resources\.limits\.memory/);
  const minibatch = Number(largest);
  assert(minibatch % 4 === 0, `groups of 4 do not divide ${minibatch}`);
  assert(phaseMemoryBytes({ ...phase, minibatch }) <= 9e9);
  assert(phaseMemoryBytes({ ...phase, minibatch: minibatch + 4 }) > 9e9);
  assert(phaseMemoryBytes({ ...phase, microbatch: Number(part) }) <= 9e9);
  assert(phaseMemoryBytes({ ...phase, microbatch: 2 * Number(part) }) > 9e9);
});

test('of several phases that do not fit the last resolution is named first', () => {
  const { message } = refused('DoesNotFit', () => checkMemory([phaseOf(64, 16), phaseOf(128, 16)], NATIVE, limitOf(6e9)));
  assert.match(message, /^128x128 .*; 64x64 /);
});

test('a minibatch below the group size is a group of its own, and may be what fits', () => {
  const limit = (phaseMemoryBytes(phaseOf(512, 3)) + phaseMemoryBytes(phaseOf(512, 4))) / 2;
  const { message } = refused('DoesNotFit', () => checkMemory([phaseOf(512, 4)], NATIVE, limitOf(limit)));
  assert.match(message, /largest minibatch that fits is 3/);
});

test('where not even one image fits, that is said', () => {
  const { message } = refused('DoesNotFit', () => checkMemory([phaseOf(512, 8)], NATIVE, limitOf(2e9)));
  assert.match(message, /not even a minibatch of 1 fits/);
});

test('what fits by less than the estimate is sure of, and what others hold, is warned of', () => {
  const bytes = phaseMemoryBytes(phaseOf(64, 16));
  assert.deepEqual(checkMemory([phaseOf(64, 16)], NATIVE, limitOf(bytes * 2)), []);
  assert.match(checkMemory([phaseOf(64, 16)], NATIVE, limitOf(bytes * 1.1))[0] ?? '', /^64x64 takes about .*: it may not fit$/);
  assert.match(checkMemory([phaseOf(64, 16)], NATIVE, limitOf(bytes * 2, bytes / 2))[0] ?? '', /are free at the moment/);
});

test('without a known limit, and on a GPU, nothing is refused', () => {
  assert.deepEqual(
    checkMemory([phaseOf(512, 64)], NATIVE, () => undefined),
    [],
  );
  assert.deepEqual(checkMemory([phaseOf(512, 64)], { kind: 'native', device: 'gpu' }, limitOf(1e9)), []);
});

test('WebAssembly refuses mixed precision at once, and what its heap of 4 GB cannot hold with exit code 3', () => {
  assert.match(
    refused('OptionsInvalid', () => checkMemory([phaseOf(4, 4, 'BFloat16Mixed')], WASM, () => undefined)).message,
    /set it to Float32/,
  );
  const { message, exitCode } = refused('DoesNotFit', () => checkMemory([phaseOf(64, 16)], WASM, limitOf(64e9)));
  assert.equal(exitCode, 3);
  assert.match(message, /WebAssembly's heap is 4\.3 GB/);
  assert.deepEqual(
    checkMemory([phaseOf(4, 4)], WASM, () => undefined),
    [],
  );
});
