import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import type { Backend } from './backend.ts';
import { bfloat16Warning, differences, pinDeterminism } from './determinism.ts';

const NAMES = ['TF_NUM_INTRAOP_THREADS', 'ONEDNN_MAX_CPU_ISA', 'TF_DETERMINISTIC_OPS', 'TF_CUDNN_USE_AUTOTUNE'] as const;
const AVX2 = ['sse4_1', 'avx', 'avx2', 'fma'] as const;
const AVX512 = [...AVX2, 'avx512f', 'avx512bw', 'avx512vl', 'avx512dq'] as const;
const ZEN5 = new Set([...AVX512, 'avx512_vnni', 'avx512_bf16', 'avx_vnni']);
const SAPPHIRE_RAPIDS = new Set([...ZEN5, 'avx512_fp16', 'amx_tile', 'amx_int8', 'amx_bf16']);

let saved: (string | undefined)[];
beforeEach(() => {
  saved = NAMES.map((name) => process.env[name]);
  for (const name of NAMES) delete process.env[name];
});
afterEach(() => {
  NAMES.forEach((name, index) => {
    if (saved[index] === undefined) delete process.env[name];
    else process.env[name] = saved[index];
  });
});

test('the instruction set is pinned to the best that the machine has', () => {
  for (const [flags, level] of [
    [SAPPHIRE_RAPIDS, 'AVX512_CORE_AMX'],
    [ZEN5, 'AVX512_CORE_BF16'],
    [new Set(AVX512), 'AVX512_CORE'],
    [new Set(AVX2), 'AVX2'],
    [new Set(['sse4_1', 'avx']), 'AVX'],
    [new Set<string>(), 'DEFAULT'],
  ] as const) {
    delete process.env['ONEDNN_MAX_CPU_ISA'];
    assert.equal(pinDeterminism({ threads: 4 }, flags), level);
    assert.equal(process.env['ONEDNN_MAX_CPU_ISA'], level);
  }
});

function warningOn(flags: ReadonlySet<string>): string | undefined {
  delete process.env['ONEDNN_MAX_CPU_ISA'];
  return bfloat16Warning({ device: 'cpu', isa: pinDeterminism({ threads: 4 }, flags) });
}

test('mixed precision is warned of on processors without instructions for bfloat16, and on every GPU, as none says whether it has them', () => {
  assert.deepEqual([SAPPHIRE_RAPIDS, ZEN5].map(warningOn), [undefined, undefined]);
  assert.match(warningOn(new Set(AVX512)) ?? '', /instruction set AVX512_CORE\)/);
  assert.match(warningOn(new Set(AVX2)) ?? '', /instruction set AVX2\)/);
  assert.match(bfloat16Warning({ device: 'gpu', isa: 'AVX512_CORE_AMX' }) ?? '', /never run on a GPU: .* compute capability 8\.0/);
});

test('a recorded level is used again where the machine has it, else its best', () => {
  assert.equal(pinDeterminism({ threads: 4, isa: 'AVX2' }, ZEN5), 'AVX2');
  delete process.env['ONEDNN_MAX_CPU_ISA'];
  assert.equal(pinDeterminism({ threads: 4, isa: 'AVX512_CORE_AMX' }, ZEN5), 'AVX512_CORE_BF16');
});

test('threads are set always, what else a user has set stays', () => {
  process.env['TF_NUM_INTRAOP_THREADS'] = '7';
  process.env['TF_DETERMINISTIC_OPS'] = '0';
  pinDeterminism({ threads: 3 }, ZEN5);
  assert.deepEqual(
    NAMES.map((name) => process.env[name]),
    ['3', 'AVX512_CORE_BF16', '0', '0'],
  );
});

const environment: Backend = { kind: 'native', device: 'cpu', version: '2.19.1', threads: 4, isa: 'AVX2', processor: 'A' };

test('equal environments have no differences', () => {
  assert.deepEqual(differences({ ...environment }, environment), []);
});

test('each difference is said in words with both values', () => {
  for (const [field, value, words] of [
    ['kind', 'wasm', /wasm backend, this process uses native/],
    ['device', 'gpu', /on a gpu, this process uses a cpu/],
    ['version', '2.18.0', /version 2\.18\.0 of the backend, this is 2\.19\.1/],
    ['threads', 2, /2 threads per op, this process uses 4/],
    ['isa', 'AVX512_CORE', /instruction set AVX512_CORE, this process uses AVX2/],
    ['processor', 'B', /on B, this is A/],
  ] as const) {
    const said = differences({ ...environment, [field]: value }, environment);
    assert.equal(said.length, 1);
    assert.match(said[0]!, words);
  }
});

test('what an older checkpoint does not record is not held against it', () => {
  assert.deepEqual(differences({ kind: 'native', version: '2.19.1' }, environment), []);
});
