/** Figures in the words of the local driver: bars, and the line that tells where a run stands. */
import type { TrainingProgress } from '../../crds/progress.ts';
import { resolveNetwork, resolveSchedule } from '../../crds/resolve.ts';
import { phases } from '../../crds/schedule.ts';
import { duration } from '../../crds/text.ts';
import type { PGGANTrainingSpec } from '../../crds/v1alpha1/pggan-training.ts';
import { secondsLeft } from '../training/figures.ts';
import type { SynthesisState } from './state.ts';

/** A bar of `width` characters, filled to `share` (0 to 1). */
export function bar(share: number, width: number): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * width);
  return `${'█'.repeat(full)}${'░'.repeat(width - full)}`;
}

/** Images shown over images to show, 0 to 1. */
export function shareDone(document: TrainingProgress, spec: PGGANTrainingSpec): number {
  return Math.min(1, document.images / (spec.totalKimg * 1000));
}

/** A line that a narrow terminal shortens: every part, with what it is worth to a reader (1 is dropped last). */
export type Part = { readonly text: string; readonly worth: number };

/** Where a training stands: phase, kimg, speed, losses, passes over the data, time left. Parts that are not known yet are left out. */
export function trainingParts(document: TrainingProgress, spec: PGGANTrainingSpec): readonly Part[] {
  const { resolution, lod, images, losses, imagesPerSecond, secondsPerKimg, epochs } = document;
  const faded = Math.round((1 - (lod % 1)) * 100);
  return [
    { text: `${resolution}x${resolution}${lod % 1 > 0 ? ` fading in ${faded}%` : ''}`, worth: 2 },
    { text: `${(images / 1000).toFixed(1)}/${spec.totalKimg} kimg`, worth: 1 },
    { text: `${epochs.toFixed(1)} passes`, worth: 7 },
    ...(imagesPerSecond === undefined ? [] : [{ text: `${imagesPerSecond.toFixed(imagesPerSecond < 10 ? 1 : 0)} images/s`, worth: 5 }]),
    ...(secondsPerKimg === undefined ? [] : [{ text: `${secondsPerKimg.toFixed(1)} s/kimg`, worth: 6 }]),
    ...(losses ? [{ text: `loss G ${losses.generator.toFixed(2)} D ${losses.discriminator.toFixed(2)}`, worth: 4 }] : []),
    ...(secondsPerKimg === undefined ? [] : left(timeLeft(document, secondsPerKimg, spec))),
  ];
}

/** Nothing once it is done. */
const left = (seconds: number): readonly Part[] => (seconds > 0 ? [{ text: `about ${duration(seconds)} left`, worth: 3 }] : []);

/** The parts as one line; what is worth least is left out until it fits. */
export function joined(parts: readonly Part[], columns = Number.POSITIVE_INFINITY): string {
  const line = parts.map(({ text }) => text).join(SEPARATOR);
  if (line.length <= columns || parts.length <= 1) return line.slice(0, columns);
  const least = Math.max(...parts.map(({ worth }) => worth));
  return joined(
    parts.filter(({ worth }) => worth !== least),
    columns,
  );
}

const SEPARATOR = ' · ';
/** Widths of the bar, the widest first: it gives way to words. */
const BARS = [20, 10] as const;

/** A bar and its line in `columns` characters. The bar is shortened before words are left out, and goes before the last of them do. */
export function barLine(share: number, parts: readonly Part[], columns: number): string {
  const [widest, narrowest] = BARS;
  const whole = joined(parts).length;
  const width = BARS.find((candidate) => candidate + 1 + whole <= columns) ?? (columns >= 2 * widest ? narrowest : 0);
  return width === 0 ? joined(parts, columns) : `${bar(share, width)} ${joined(parts, columns - width - 1)}`;
}

function timeLeft({ images, resolution }: TrainingProgress, secondsPerKimg: number, spec: PGGANTrainingSpec): number {
  return secondsLeft(images, secondsPerKimg, resolution, phases(resolveSchedule(spec), spec.totalKimg), resolveNetwork(spec));
}

/** Where a SynthesisJob stands. */
export function synthesisParts({ status, spec }: SynthesisState): readonly Part[] {
  const { imagesPerSecond: rate, imagesDone: done = 0 } = status ?? {};
  return [
    { text: `${done}/${spec.count} synthetic images`, worth: 1 },
    ...(rate ? [{ text: `${rate.toFixed(1)} images/s`, worth: 4 }, ...left((spec.count - done) / rate)] : []),
  ];
}
