/** One line per tick, for people (the reference's tick line) and for programs (metrics.jsonl). */
import type { Losses } from '../../crds/progress.ts';

export type Tick = {
  readonly tick: number;
  /** Real images shown. */
  readonly images: number;
  readonly lod: number;
  readonly resolution: number;
  readonly minibatch: number;
  /** Passes over the dataset. */
  readonly epochs: number;
  /** Wall clock since the beginning of the run, over all its processes. */
  readonly secondsTotal: number;
  readonly secondsPerTick: number;
  readonly secondsPerKimg: number;
  /** Spent on pictures and checkpoints since the last tick. */
  readonly secondsMaintenance: number;
  /** Means over the tick. */
  readonly losses?: Losses | undefined;
  /** Further means, by name. */
  readonly scalars?: Readonly<Record<string, number>>;
  /** Metrics of the averaged generator, where they were measured. */
  readonly metrics?: Readonly<Record<string, number>> | undefined;
  readonly time: Date;
};

/** The tick line, character for character as the reference prints it: `tick 12    kimg 600.1    lod 3.00  minibatch 128  time ...`. */
export function tickLine({ tick, images, lod, minibatch, secondsTotal, secondsPerTick, secondsPerKimg, secondsMaintenance }: Tick): string {
  return [
    `tick ${String(tick).padEnd(5)}`,
    `kimg ${fixed(images / 1000, 1).padEnd(8)}`,
    `lod ${fixed(lod, 2).padEnd(5)}`,
    `minibatch ${String(minibatch).padEnd(4)}`,
    `time ${formatTime(secondsTotal).padEnd(12)}`,
    `sec/tick ${fixed(secondsPerTick, 1).padEnd(7)}`,
    `sec/kimg ${fixed(secondsPerKimg, 2).padEnd(7)}`,
    `maintenance ${fixed(secondsMaintenance, 1)}`,
  ].join(' ');
}

/** The line below it where metrics were measured. */
export function measuredLine(metrics: Readonly<Record<string, number>>): string {
  return `metrics  ${Object.entries(metrics)
    .map(([name, value]) => `${name} ${fixed(value, 4)}`)
    .join(' ')}`;
}

/** The names of what differs between two runs of equal weights: wall clock, and nothing else. */
export const TIME_FIELDS = ['secondsTotal', 'secondsPerTick', 'secondsPerKimg', 'secondsMaintenance', 'imagesPerSecond', 'time'] as const;

/** A line of metrics.jsonl: one JSON object per tick. Numbers that are not finite are null. */
export function metricsLine({ losses, scalars, metrics, time, ...tick }: Tick): string {
  const imagesPerSecond = tick.secondsPerKimg > 0 ? 1000 / tick.secondsPerKimg : null;
  return JSON.stringify({
    ...tick,
    kimg: tick.images / 1000,
    ...losses,
    ...scalars,
    ...metrics,
    imagesPerSecond,
    time: time.toISOString(),
  });
}

/** The ticks of a metrics.jsonl, as plain objects: it may have been written by another version, or by a person. Lines that are no object are left out. */
export function parseMetrics(text: string): readonly Readonly<Record<string, unknown>>[] {
  return text.split('\n').flatMap((line) => {
    const tick = parsed(line);
    return typeof tick === 'object' && tick !== null ? [{ ...tick }] : [];
  });
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** A duration as the reference writes it: `59s`, `1m 00s`, `1h 00m 00s`, `1d 00h 00m`. */
export function formatTime(seconds: number): string {
  const all = roundHalfToEven(seconds);
  if (all < 60) return `${all}s`;
  if (all < 3600) return `${Math.floor(all / 60)}m ${two(all % 60)}s`;
  if (all < 86400) return `${Math.floor(all / 3600)}h ${two((all % 3600) / 60)}m ${two(all % 60)}s`;
  return `${Math.floor(all / 86400)}d ${two((all % 86400) / 3600)}h ${two((all % 3600) / 60)}m`;
}

function two(part: number): string {
  return String(Math.floor(part)).padStart(2, '0');
}

/** As C's `%.<digits>f`: toFixed rounds exact halves up, C rounds them to even. */
function fixed(value: number, digits: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'nan' : value < 0 ? '-inf' : 'inf';
  const scaled = Math.abs(value) * 10 ** digits;
  // A decimal half is a multiple of 2^-(digits+1), so this product with a power of two, which is exact, is a whole number.
  const isHalf = scaled - Math.floor(scaled) === 0.5 && Number.isInteger(value * 2 ** (digits + 1));
  if (isHalf && Math.floor(scaled) % 2 === 0) return (Math.sign(value) * (Math.floor(scaled) / 10 ** digits)).toFixed(digits);
  return value.toFixed(digits);
}

function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
