/** What no schema can say: options that are valid one by one and would waste a run together. Such a training is Not Accepted. */
import type { Problem } from './cel.ts';
import { type ScheduleFault, scheduleFaults } from './check-schedule.ts';
import { PRESETS } from './presets.ts';
import { resolveNetwork, resolveSchedule } from './resolve.ts';
import type { Schedule } from './schedule.ts';
import type { PGGANTraining, PGGANTrainingSpec } from './v1alpha1/pggan-training.ts';

/** Everything for which `training` (already valid by its schema) must not start; empty when it may. */
export function checkTraining({ spec }: PGGANTraining): readonly Problem[] {
  const schedule = resolveSchedule(spec);
  const faults = scheduleFaults(schedule, resolveNetwork(spec), spec.totalKimg);
  return [
    ...faults.map((fault) => ({ field: fieldOf(spec, fault), message: fault.message })),
    ...emptyMinibatches(spec, schedule),
    ...networkProblems(spec),
  ];
}

function fieldOf(spec: PGGANTrainingSpec, fault: ScheduleFault): string {
  switch (fault.kind) {
    case 'growth':
      return 'spec.schedule.trainKimg';
    case 'length':
      return 'spec.totalKimg';
    case 'minibatch':
      return minibatchField(spec, fault.resolution);
    case 'microbatch':
      return microbatchField(spec, fault.resolution);
  }
}

function emptyMinibatches(spec: PGGANTrainingSpec, { levels, initialResolution }: Schedule): readonly Problem[] {
  return levels
    .filter(({ resolution, minibatch }) => resolution >= initialResolution && minibatch === 0)
    .map(({ resolution }) => ({
      field: minibatchField(spec, resolution),
      message: `at ${resolution}x${resolution} nothing is left of the minibatch after rounding down to a multiple of the ${gpusOf(spec)} GPUs of preset ${spec.preset}`,
    }));
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

const microbatchField = ({ phases = [] }: PGGANTrainingSpec, resolution: number): string =>
  `spec.phases[${phases.findIndex((phase) => phase.resolution === resolution)}].microbatch`;

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
