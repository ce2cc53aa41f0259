/** The scalars of a tick under the names that the reference gives them in TensorBoard. */
import type { Moment } from '../../crds/schedule.ts';
import type { Tick } from './log.ts';

/** Names of a step's scalars -> names in TensorBoard. The reference has all but the two losses. */
const LOSSES = {
  'D.realScores': 'Loss/real_scores',
  'D.fakeScores': 'Loss/fake_scores',
  'D.mixedScores': 'Loss/mixed_scores',
  'D.mixedNorms': 'Loss/mixed_norms',
  'D.epsilonPenalty': 'Loss/epsilon_penalty',
  'D.labelPenaltyReals': 'Loss/label_penalty_reals',
  'D.labelPenaltyFakes': 'Loss/label_penalty_fakes',
  'G.loss': 'Loss/generator',
  'D.loss': 'Loss/discriminator',
} as const;

/** @param means of the step's scalars over the tick (`D.loss`, ...); what is absent, or was never finite, is left out */
export function eventScalars(
  tick: Omit<Tick, 'losses' | 'scalars' | 'time'>,
  moment: Moment,
  means: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> {
  return {
    'Progress/tick': tick.tick,
    'Progress/kimg': tick.images / 1000,
    'Progress/lod': tick.lod,
    'Progress/minibatch': tick.minibatch,
    'Timing/total_sec': tick.secondsTotal,
    'Timing/sec_per_tick': tick.secondsPerTick,
    'Timing/sec_per_kimg': tick.secondsPerKimg,
    'Timing/maintenance_sec': tick.secondsMaintenance,
    'Timing/total_hours': tick.secondsTotal / 3600,
    'Timing/total_days': tick.secondsTotal / 86400,
    ...named(LOSSES, means),
    'TrainG/learning_rate': moment.generatorLearningRate,
    'TrainD/learning_rate': moment.discriminatorLearningRate,
    ...Object.fromEntries(Object.entries(tick.metrics ?? {}).map(([name, value]) => [`Metrics/${name}`, value])),
    ...named({ 'G.finite': 'TrainG/overflow_frequency', 'D.finite': 'TrainD/overflow_frequency' }, means, (finite) => 1 - finite),
  };
}

/** The means that are there, under their other names. */
function named(
  names: Readonly<Record<string, string>>,
  means: Readonly<Record<string, number>>,
  change = (value: number): number => value,
): Readonly<Record<string, number>> {
  const known = Object.entries(names).flatMap(([name, tag]) => {
    const value = means[name];
    return value === undefined ? [] : [[tag, change(value)] as const];
  });
  return Object.fromEntries(known);
}
