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

/** Where a training stands: phase, kimg, speed, losses, passes over the data, time left. Parts that are not known yet are left out. */
export function trainingLine(document: TrainingProgress, spec: PGGANTrainingSpec): string {
  const { resolution, lod, images, losses, imagesPerSecond, secondsPerKimg, epochs } = document;
  const faded = Math.round((1 - (lod % 1)) * 100);
  const parts = [
    `${resolution}x${resolution}${lod % 1 > 0 ? ` fading in ${faded}%` : ''}`,
    `${(images / 1000).toFixed(1)}/${spec.totalKimg} kimg`,
    `${epochs.toFixed(1)} passes`,
    ...(imagesPerSecond === undefined ? [] : [`${imagesPerSecond.toFixed(imagesPerSecond < 10 ? 1 : 0)} images/s`]),
    ...(secondsPerKimg === undefined ? [] : [`${secondsPerKimg.toFixed(1)} s/kimg`]),
    ...(losses ? [`loss G ${losses.generator.toFixed(2)} D ${losses.discriminator.toFixed(2)}`] : []),
    ...(secondsPerKimg === undefined ? [] : [`about ${duration(timeLeft(document, secondsPerKimg, spec))} left`]),
  ];
  return parts.join(' · ');
}

function timeLeft({ images, resolution }: TrainingProgress, secondsPerKimg: number, spec: PGGANTrainingSpec): number {
  return secondsLeft(images, secondsPerKimg, resolution, phases(resolveSchedule(spec), spec.totalKimg), resolveNetwork(spec));
}

/** Where a SynthesisJob stands. */
export function synthesisLine({ status, spec }: SynthesisState): string {
  const rate = status?.imagesPerSecond;
  const left = rate ? ` · ${rate.toFixed(1)} images/s · about ${duration((spec.count - (status.imagesDone ?? 0)) / rate)} left` : '';
  return `${status?.imagesDone ?? 0}/${spec.count} synthetic images${left}`;
}
