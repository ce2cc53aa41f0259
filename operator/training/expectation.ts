/** What a spec asks for: its phases and networks, or why it can never run. */
import { resolveNetwork, resolveSchedule } from '../../crds/resolve.ts';
import type { NetworkOptions } from '../../crds/run.ts';
import { type Phase, phases } from '../../crds/schedule.ts';
import type { PGGANTrainingSpec } from '../../crds/v1alpha1/pggan-training.ts';
import type { TrainingStatus } from './status.ts';

/** A PGGANTraining as plan() sees it: stored objects have a uid and a generation. */
export type TrainingObject = {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly generation: number;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly deletionTimestamp?: string;
  };
  readonly spec: PGGANTrainingSpec;
  readonly status?: TrainingStatus;
};

export type Expectation =
  | { readonly kind: 'valid'; readonly phases: readonly Phase[]; readonly network: NetworkOptions }
  | { readonly kind: 'invalid'; readonly problems: readonly string[] };

/** Phases and networks of a spec. */
export function expectation(spec: PGGANTrainingSpec): Expectation {
  return { kind: 'valid', phases: phases(resolveSchedule(spec), spec.totalKimg), network: resolveNetwork(spec) };
}
