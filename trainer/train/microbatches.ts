/** An update worked through in parts (gradient accumulation): which samples go together, and what their steps add up to. */
import type { Program } from '../backend/program.ts';
import { type HostFeeds, type HostTensor, runOnHost } from './host-step.ts';
import { microbatchOf, type NetworkStep, type ProgramKey } from './step-options.ts';

/**
 * The samples of each microbatch, by their place in the minibatch. Minibatch statistics couple the samples of a group, so groups stay whole.
 * They are strided: of M = N / groupSize groups, sample n belongs to group n mod M; and so it is within each microbatch again.
 */
export function microbatches(minibatch: number, microbatch: number, groupSize: number): readonly (readonly number[])[] {
  const size = Math.max(1, Math.min(groupSize, minibatch));
  const groups = minibatch / size;
  const groupsPerPart = microbatch / size;
  return Array.from({ length: minibatch / microbatch }, (_, part) =>
    Array.from({ length: microbatch }, (_, i) => Math.floor(i / groupsPerPart) * groups + part * groupsPerPart + (i % groupsPerPart)),
  );
}

/** Gradients microbatch by microbatch, then the update. The scalars of a whole step in their order: means over the minibatch, after `finite`. */
export function stepInParts(program: Program, key: ProgramKey, groupSize: number, step: NetworkStep, feeds: HostFeeds): readonly number[] {
  const { perUpdate, perImage } = divided(feeds);
  const parts = microbatches(key.minibatch, microbatchOf(key), groupSize).map((samples) =>
    runOnHost(program, `${step}Gradients`, only(perImage, samples), 'scalars'),
  );
  const finite = runOnHost(program, `${step}Update`, perUpdate, 'finite');
  return [...finite, ...means(parts)];
}

const RATES = ['learningRate', 'beta1Power', 'beta2Power'];

/** Feeds of the update itself, and those of its gradients. */
function divided(feeds: HostFeeds): { readonly perUpdate: HostFeeds; readonly perImage: HostFeeds } {
  const all = Object.entries(feeds);
  return {
    perUpdate: Object.fromEntries(all.filter(([name]) => RATES.includes(name))),
    perImage: Object.fromEntries(all.filter(([name]) => !RATES.includes(name))),
  };
}

/** The feeds of these samples; what is not per sample is for all of them. */
function only(feeds: HostFeeds, samples: readonly number[]): HostFeeds {
  return Object.fromEntries(
    Object.entries(feeds).map(([name, value]) => [name, typeof value === 'number' ? value : rowsOf(value, samples)]),
  );
}

function rowsOf({ shape, data }: HostTensor, rows: readonly number[]): HostTensor {
  const size = data.length / (shape[0] ?? 1);
  const taken = new Float32Array(rows.length * size);
  for (const [to, from] of rows.entries()) taken.set(data.subarray(from * size, (from + 1) * size), to * size);
  return { shape: [rows.length, ...shape.slice(1)], data: taken };
}

function means(parts: readonly Float32Array[]): readonly number[] {
  return Array.from(parts[0] ?? [], (_, i) => parts.reduce((sum, part) => sum + (part[i] ?? Number.NaN), 0) / parts.length);
}
