/** What no schema can say: options that are valid one by one and would waste a run together. Such a training is Not Accepted. */
import type { Problem } from './cel.ts';
import { PRESETS } from './presets.ts';
import { resolveNetwork, resolveSchedule } from './resolve.ts';
import { type Level, type Schedule, fadedInImages } from './schedule.ts';
import type { PGGANTraining, PGGANTrainingSpec } from './v1alpha1/pggan-training.ts';

/** Everything for which `training` (already valid by its schema) must not start; empty when it may. */
export function checkTraining({ spec }: PGGANTraining): readonly Problem[] {
  const schedule = resolveSchedule(spec);
  return [...growthProblems(spec, schedule), ...minibatchProblems(spec, schedule), ...networkProblems(spec)];
}

function growthProblems(spec: PGGANTrainingSpec, schedule: Schedule): readonly Problem[] {
  const { resolution, initialResolution, trainKimg, transitionKimg } = schedule;
  if (resolution > initialResolution && trainKimg + transitionKimg === 0) {
    return [
      {
        field: 'spec.schedule.trainKimg',
        message: `trainKimg and transitionKimg are both 0, so the network would stay at ${initialResolution}x${initialResolution}; to start at full resolution set initialResolution to ${resolution}`,
      },
    ];
  }
  const fadedInKimg = fadedInImages(schedule) / 1000;
  if (spec.totalKimg > fadedInKimg) return [];
  return [
    {
      field: 'spec.totalKimg',
      message: `the run ends at ${spec.totalKimg} kimg, before ${resolution}x${resolution} has faded in at ${fadedInKimg} kimg; raise it, or lower schedule.trainKimg and transitionKimg`,
    },
  ];
}

/** Levels below the initial resolution are never trained and may hold anything. */
function minibatchProblems(spec: PGGANTrainingSpec, schedule: Schedule): readonly Problem[] {
  const { mbstdGroupSize } = resolveNetwork(spec);
  return schedule.levels
    .filter((level) => level.resolution >= schedule.initialResolution)
    .flatMap((level) => {
      const message = minibatchProblem(spec, level, mbstdGroupSize);
      return message ? [{ field: minibatchField(spec, level.resolution), message }] : [];
    });
}

function minibatchProblem(spec: PGGANTrainingSpec, { minibatch, resolution }: Level, groupSize: number): string | undefined {
  const at = `at ${resolution}x${resolution}`;
  if (minibatch === 0)
    return `${at} nothing is left of the minibatch after rounding down to a multiple of the ${gpusOf(spec)} GPUs of preset ${spec.preset}`;
  const group = Math.min(groupSize, minibatch);
  if (group === 0 || minibatch % group === 0) return undefined;
  return `${at} the minibatch is ${minibatch}, which groups of ${group} images (network.mbstdGroupSize) do not divide; take a multiple of ${group} or change the group size`;
}

const gpusOf = ({ preset }: PGGANTrainingSpec): number => (preset ? PRESETS[preset].gpus : 1);

/** The field that the minibatch of `resolution` comes from. */
function minibatchField({ phases, schedule, preset }: PGGANTrainingSpec, resolution: number): string {
  const entry = (list: readonly { readonly resolution: number }[] | undefined): number =>
    list?.findIndex((item) => item.resolution === resolution) ?? -1;
  const phase = phases?.findIndex((item) => item.resolution === resolution && item.minibatch !== undefined) ?? -1;
  if (phase >= 0) return `spec.phases[${phase}].minibatch`;
  const listed = entry(schedule?.minibatches);
  if (listed >= 0) return `spec.schedule.minibatches[${listed}].minibatch`;
  if (schedule?.minibatchBase !== undefined) return 'spec.schedule.minibatchBase';
  return preset ? 'spec.preset' : 'spec.schedule';
}

/** Feature maps halve with the resolution; a base that is too small leaves none for the finest layers. */
function networkProblems(spec: PGGANTrainingSpec): readonly Problem[] {
  const { fmapBase, fmapDecay } = resolveNetwork(spec);
  const finest = Math.floor(fmapBase / 2 ** ((Math.log2(spec.resolution) - 1) * fmapDecay));
  if (finest >= 1) return [];
  return [
    {
      field: 'spec.network.fmapBase',
      message: `${fmapBase} feature maps at the base leave none at ${spec.resolution}x${spec.resolution}; take at least ${Math.ceil(2 ** ((Math.log2(spec.resolution) - 1) * fmapDecay))}`,
    },
  ];
}
