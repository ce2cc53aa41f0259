/** Run documents for tests, with everything at its default that a test does not name. */
import { resolveSchedule } from '../../crds/resolve.ts';
import { AVERAGING_DEFAULTS, LOSS_DEFAULTS, NETWORK_DEFAULTS, OPTIMIZER_DEFAULTS, RUN_VERSION, type TrainingRun } from '../../crds/run.ts';

type ScheduleSpec = Parameters<typeof resolveSchedule>[0];

export function testRun(
  schedule: Partial<ScheduleSpec> & Pick<ScheduleSpec, 'resolution'>,
  options: Partial<TrainingRun> = {},
): TrainingRun {
  return {
    version: RUN_VERSION,
    kind: 'training',
    owner: { cluster: 'c', namespace: 'n', name: 'chests', uid: 'u' },
    task: { kind: 'preflight' },
    dataset: { uri: 'file:///data/chests' },
    run: { uri: 'file:///data/runs/n/chests' },
    totalKimg: 100,
    schedule: resolveSchedule({ precision: 'Float32', ...schedule }),
    network: NETWORK_DEFAULTS,
    loss: LOSS_DEFAULTS,
    optimizer: OPTIMIZER_DEFAULTS,
    averaging: AVERAGING_DEFAULTS,
    precision: 'Float32',
    mirrorAugment: false,
    seed: 1,
    threads: 1,
    checkpoints: { everyKimg: 40, everySeconds: 1800, keepLast: 3 },
    progressDeadlineSeconds: 3600,
    port: 0,
    ...options,
  };
}
