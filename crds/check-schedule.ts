/** The rules that a resolved schedule must keep, whoever asks: the operator of a manifest, the trainer of its run document. */
import type { NetworkOptions } from './run.ts';
import { fadedInImages, type Schedule } from './schedule.ts';

/** What is wrong, by what has to change, and a sentence without a subject's field in front. */
export type ScheduleFault =
  | { readonly kind: 'growth' | 'length'; readonly message: string }
  | { readonly kind: 'minibatch' | 'microbatch'; readonly resolution: number; readonly message: string };

/** Every rule that is broken; empty when the run may start. */
export function scheduleFaults(schedule: Schedule, network: NetworkOptions, totalKimg: number): readonly ScheduleFault[] {
  return [...growthFaults(schedule, totalKimg), ...minibatchFaults(schedule, network), ...microbatchFaults(schedule, network)];
}

function growthFaults(schedule: Schedule, totalKimg: number): readonly ScheduleFault[] {
  const { resolution, initialResolution, trainKimg, transitionKimg } = schedule;
  if (resolution > initialResolution && trainKimg + transitionKimg === 0) {
    return [
      {
        kind: 'growth',
        message: `trainKimg and transitionKimg are both 0, so the network would stay at ${initialResolution}x${initialResolution}; to start at full resolution set initialResolution to ${resolution}`,
      },
    ];
  }
  const fadedInKimg = fadedInImages(schedule) / 1000;
  if (totalKimg > fadedInKimg) return [];
  return [
    {
      kind: 'length',
      message: `the run ends at ${totalKimg} kimg, before ${resolution}x${resolution} has faded in at ${fadedInKimg} kimg; raise it, or lower schedule.trainKimg and transitionKimg`,
    },
  ];
}

/** Levels below the initial resolution are never trained and may hold anything. */
function minibatchFaults(schedule: Schedule, { mbstdGroupSize }: NetworkOptions): readonly ScheduleFault[] {
  return schedule.levels.flatMap(({ resolution, minibatch }) => {
    if (resolution < schedule.initialResolution || minibatch === 0 || minibatchDivides(minibatch, mbstdGroupSize)) return [];
    const group = Math.min(mbstdGroupSize, minibatch);
    return [
      {
        kind: 'minibatch' as const,
        resolution,
        message: `at ${resolution}x${resolution} the minibatch is ${minibatch}, which groups of ${group} images (network.mbstdGroupSize) do not divide; take a multiple of ${group} or change the group size`,
      },
    ];
  });
}

/** A microbatch takes whole groups, or its samples would meet others than in the whole minibatch. */
function microbatchFaults(schedule: Schedule, { mbstdGroupSize }: NetworkOptions): readonly ScheduleFault[] {
  return schedule.levels.flatMap(({ resolution, minibatch, microbatch }) => {
    if (resolution < schedule.initialResolution || microbatch === undefined || !minibatchDivides(minibatch, mbstdGroupSize)) return [];
    const at = `at ${resolution}x${resolution} the microbatch is ${microbatch}`;
    const fault = (message: string) => [{ kind: 'microbatch' as const, resolution, message }];
    if (minibatch % microbatch !== 0) return fault(`${at}, which does not divide the minibatch of ${minibatch}; take a divisor of it`);
    const group = Math.max(1, Math.min(mbstdGroupSize, minibatch));
    if (microbatch % group === 0) return [];
    return fault(`${at}, which is no whole number of groups of ${group} images (network.mbstdGroupSize); take a multiple of ${group}`);
  });
}

/** Whether a minibatch consists of whole minibatch-stddev groups; one that is smaller than a group is a group of its own. */
export function minibatchDivides(minibatch: number, mbstdGroupSize: number): boolean {
  const group = Math.min(mbstdGroupSize, minibatch);
  return group === 0 || minibatch % group === 0;
}
