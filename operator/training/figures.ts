/** The figures of the status: percent done, time of completion, totals. */
import type { NetworkOptions } from '../../crds/run.ts';
import type { Phase } from '../../crds/schedule.ts';
import { relativeCost } from '../../crds/cost.ts';
import type { Observed } from './observed.ts';

/** Images shown, as far as is known: of the live process, else of the newest checkpoint. */
export function percentDone(images: number, phases: readonly Phase[]): number {
  const end = phases.at(-1)?.endImages ?? 0;
  return end === 0 ? 0 : Math.min(100, Math.floor((100 * images) / end));
}

/** Seconds until the end of the last phase, from the present speed, which falls with resolution as the networks' arithmetic grows. */
export function secondsLeft(images: number, secondsPerKimg: number, at: number, phases: readonly Phase[], network: NetworkOptions): number {
  const perPhase = phases.map(({ resolution, startImages, endImages }) => {
    const kimg = Math.max(0, endImages - Math.max(startImages, images)) / 1000;
    return kimg * secondsPerKimg * relativeCost(network, resolution, at);
  });
  return perPhase.reduce((sum, seconds) => sum + seconds, 0);
}

/**
 * The time of completion in whole minutes. The previous answer stays while it is off by less than a minute or 5 percent of what is left,
 * so that a status is not written at every look; undefined where nothing is known.
 */
export function completionTime(
  seen: Observed,
  phases: readonly Phase[],
  network: NetworkOptions,
  previous: string | undefined,
  now: Date,
): string | undefined {
  const live = seen.progress?.document;
  if (live?.secondsPerKimg === undefined) return previous;
  const left = secondsLeft(live.images, live.secondsPerKimg, live.resolution, phases, network);
  const at = now.getTime() + left * 1000;
  const slack = Math.max(60_000, 50 * left);
  if (previous !== undefined && Math.abs(Date.parse(previous) - at) < slack) return previous;
  return new Date(Math.ceil(at / 60_000) * 60_000).toISOString().replace('.000Z', 'Z');
}
