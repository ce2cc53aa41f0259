/** Refuses a run that does not fit, before its first image: names what each phase needs, what there is, and the largest minibatch that fits. */
import { PgganError } from '../../crds/errors.ts';
import { largestMicrobatch, largestMinibatch, phaseMemoryBytes, type PhaseShape, phaseShape, wasmHeapBytes } from '../../crds/memory.ts';
import type { TrainingRun } from '../../crds/run.ts';
import { phases } from '../../crds/schedule.ts';
import { fittingText, size } from '../../crds/text.ts';
import type { Backend } from '../backend/backend.ts';
import type { MemoryLimit } from '../backend/memory-limit.ts';

/** The phases that a run has still to train after `images`, in order. */
export function phasesAhead(run: TrainingRun, images: number): readonly PhaseShape[] {
  return phases(run.schedule, run.totalKimg)
    .filter(({ endImages }) => endImages > images)
    .flatMap(({ resolution }) => run.schedule.levels.filter((level) => level.resolution === resolution))
    .map((level) => phaseShape(run, level));
}

/** What the process of a phase may use; undefined where nobody knows. */
export type LimitOf = (resolution: number) => MemoryLimit | undefined;

/**
 * Checks phases against the memory of the process that will train them, by the estimates of crds/memory.ts. What may not fit after all, or
 * only once other programs give memory back, is returned as warnings. On a GPU, features lie in its own memory and nothing is checked.
 * @throws {PgganError} DoesNotFit, with all phases that do not, the last resolution first; OptionsInvalid for mixed precision on WebAssembly
 */
export function checkMemory(phases: readonly PhaseShape[], backend: Pick<Backend, 'kind' | 'device'>, limitOf: LimitOf): readonly string[] {
  if (backend.device === 'gpu') return [];
  switch (backend.kind) {
    case 'native':
      return check(phases, phaseMemoryBytes, limitOf);
    case 'wasm':
      refuseMixed(phases);
      return check(phases, wasmHeapBytes, (resolution) => smaller(limitOf(resolution), WASM_HEAP));
  }
}

/** Addresses of 32 bits. tfjs 4.22 lets the heap grow to one page less, and the allocation that would pass it aborts the process. */
const WASM_HEAP: MemoryLimit = { bytes: 2 ** 32 - 65536, source: "WebAssembly's heap", freeBytes: undefined };

function smaller(limit: MemoryLimit | undefined, other: MemoryLimit): MemoryLimit {
  return limit && limit.bytes < other.bytes ? limit : other;
}

/** Computing in float32 instead would train other weights than the options say, and a checkpoint of it would go on elsewhere in bfloat16. */
function refuseMixed(phases: readonly PhaseShape[]): void {
  if (!phases.some(({ precision }) => precision === 'BFloat16Mixed')) return;
  throw new PgganError(
    'OptionsInvalid',
    'spec.precision is BFloat16Mixed, but the WebAssembly backend has no bfloat16: set it to Float32, or run the set-up again for the native backend',
  );
}

type Estimate = (phase: PhaseShape) => number;
type Checked = { readonly phase: PhaseShape; readonly limit: MemoryLimit; readonly bytes: number };

function check(phases: readonly PhaseShape[], estimate: Estimate, limitOf: LimitOf): readonly string[] {
  const checked = phases.flatMap((phase): readonly Checked[] => {
    const limit = limitOf(phase.resolution);
    return limit ? [{ phase, limit, bytes: estimate(phase) }] : [];
  });
  const refused = checked.filter(({ bytes, limit }) => bytes > limit.bytes).toReversed();
  if (refused.length > 0) {
    const reasons = refused.map((each) => refusal(each, estimate)).join('; ');
    throw new PgganError('DoesNotFit', `${reasons}. ${remedy(refused.map(({ phase }) => phase.resolution))}`);
  }
  return checked.flatMap(warning);
}

function refusal({ phase, limit, bytes }: Checked, estimate: Estimate): string {
  const { resolution, minibatch, precision } = phase;
  const needs = `${resolution}x${resolution} needs ${size(bytes)} of memory with a minibatch of ${minibatch} in ${precision}`;
  const minibatchThatFits = largestMinibatch(phase, limit.bytes, estimate) ?? null;
  const microbatchThatFits = largestMicrobatch(phase, limit.bytes, estimate) ?? null;
  return `${needs}, but ${limit.source} is ${size(limit.bytes)}: ${fittingText(minibatchThatFits, microbatchThatFits)}`;
}

function remedy(resolutions: readonly number[]): string {
  const fields = resolutions.map((resolution) => `spec.phases[resolution ${resolution}]`).join(', ');
  return `Lower minibatch (or set microbatch) in ${fields}, or raise template.resources.limits.memory there`;
}

/** How far the estimates may be off. */
const UNCERTAINTY = 1.15;

function warning({ phase: { resolution }, limit, bytes }: Checked): readonly string[] {
  const needs = `${resolution}x${resolution} takes about ${size(bytes)} of memory`;
  if (bytes * UNCERTAINTY > limit.bytes) return [`${needs} and ${limit.source} is ${size(limit.bytes)}: it may not fit`];
  if (limit.freeBytes === undefined || bytes <= limit.freeBytes) return [];
  return [`${needs}, of which ${size(limit.freeBytes)} are free at the moment: end other programs first`];
}
