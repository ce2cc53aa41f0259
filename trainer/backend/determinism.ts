/** What the last bits of a run depend on besides its seed: pinned before TensorFlow is loaded, compared when a run is resumed. */
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import type { Backend } from './backend.ts';

/**
 * Pins what TensorFlow reads when it is loaded; has no effect afterwards. Threads of one op and oneDNN's instruction set change the order of
 * sums (OMP_NUM_THREADS and the number of ops at once do not). What a user has set wins, except the threads.
 * @param isa the level that a checkpoint records; one that this machine lacks is replaced by the machine's best
 * @returns the level in force
 */
export function pinDeterminism({ threads, isa }: { readonly threads: number; readonly isa?: string }, flags = cpuFlags()): string {
  const best = LEVELS.find(([, needs]) => needs.every((flag) => flags.has(flag)))?.[0] ?? 'DEFAULT';
  const wanted = LEVELS.find(([name]) => name === isa);
  const level = wanted?.[1].every((flag) => flags.has(flag)) ? wanted[0] : best;
  process.env['TF_NUM_INTRAOP_THREADS'] = String(threads);
  process.env['ONEDNN_MAX_CPU_ISA'] ??= level;
  // For GPUs: algorithms that always sum in the same order, and no choice of them by timing.
  process.env['TF_DETERMINISTIC_OPS'] ??= '1';
  process.env['TF_CUDNN_USE_AUTOTUNE'] ??= '0';
  return process.env['ONEDNN_MAX_CPU_ISA'];
}

/** In words, what makes the bits of a resumed run differ from those of the run that was recorded; empty when nothing does. */
export function differences(recorded: Partial<Backend>, now: Backend): readonly string[] {
  const say = (field: keyof Backend, words: (was: string, is: string) => string): readonly string[] =>
    recorded[field] === undefined || recorded[field] === now[field] ? [] : [words(String(recorded[field]), String(now[field]))];
  return [
    ...say('kind', (was, is) => `the checkpoint was computed by the ${was} backend, this process uses ${is}`),
    ...say('device', (was, is) => `the checkpoint was computed on a ${was}, this process uses a ${is}`),
    ...say('version', (was, is) => `the checkpoint was computed by version ${was} of the backend, this is ${is}`),
    ...say('threads', (was, is) => `the checkpoint was computed with ${was} threads per op, this process uses ${is}`),
    ...say('isa', (was, is) => `the checkpoint was computed with instruction set ${was}, this process uses ${is}`),
    ...say(
      'processor',
      (was, is) => `the checkpoint was computed on ${was}, this is ${is}: its caches may make oneDNN cut its work in another way`,
    ),
  ];
}

/** The model of the processor that computes, as the system names it. */
export function processorModel(device: Backend['device']): string {
  return device === 'gpu' ? 'NVIDIA GPU' : (cpus()[0]?.model.trim() ?? 'unknown');
}

/** oneDNN's levels (ONEDNN_MAX_CPU_ISA), best first, with the flags of /proc/cpuinfo that each needs. */
const AVX512 = ['avx512f', 'avx512bw', 'avx512vl', 'avx512dq'] as const;
const BF16 = [...AVX512, 'avx512_vnni', 'avx512_bf16'] as const;
const LEVELS: readonly (readonly [string, readonly string[]])[] = [
  ['AVX512_CORE_AMX', [...BF16, 'avx512_fp16', 'amx_tile', 'amx_int8', 'amx_bf16']],
  ['AVX512_CORE_FP16', [...BF16, 'avx512_fp16']],
  ['AVX512_CORE_BF16', BF16],
  ['AVX512_CORE_VNNI', [...AVX512, 'avx512_vnni']],
  ['AVX512_CORE', AVX512],
  ['AVX2_VNNI', ['avx2', 'fma', 'avx_vnni']],
  ['AVX2', ['avx2', 'fma']],
  ['AVX', ['avx']],
  ['SSE41', ['sse4_1']],
];

/**
 * Why mixed precision may not be worth it on what computes; undefined on a CPU with instructions of its own for bfloat16. Without them oneDNN converts, or falls
 * back to plain loops (AVX2). Which GPU it is the addon does not tell, so every one is warned of: before Ampere they have no bfloat16, and TensorFlow's
 * convolutions convert to float32 and back.
 */
export function bfloat16Warning({ device, isa }: Pick<Backend, 'device' | 'isa'>): string | undefined {
  if (device === 'gpu')
    return 'BFloat16Mixed was never run on a GPU: it needs one with bfloat16 (NVIDIA Ampere, compute capability 8.0, or newer), which is not checked; on an older one train with precision: Float32';
  if (/^AVX512_CORE_(AMX|FP16|BF16)/.test(isa)) return undefined;
  return `this processor has no instructions for bfloat16 (instruction set ${isa}): BFloat16Mixed is far slower than Float32 here; train on another machine, or begin again with precision: Float32`;
}

function cpuFlags(): ReadonlySet<string> {
  try {
    return new Set(/^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1]?.trim().split(/\s+/));
  } catch {
    return new Set();
  }
}
