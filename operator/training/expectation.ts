/** What a spec asks for: its phases and networks, or why it can never run. */
import { checkTraining } from '../../crds/check-training.ts';
import { resolveNetwork, resolveSchedule } from '../../crds/resolve.ts';
import type { NetworkOptions } from '../../crds/run.ts';
import { type Phase, phases } from '../../crds/schedule.ts';
import { API_VERSION } from '../../crds/v1alpha1/common.ts';
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

/** Phases and networks of a training whose spec is valid by its schema. */
export function expectation({ metadata, spec }: TrainingObject): Expectation {
  const problems = checkTraining({ apiVersion: API_VERSION, kind: 'PGGANTraining', metadata, spec });
  if (problems.length > 0) return { kind: 'invalid', problems: problems.map(({ field, message }) => `${field}: ${message}`) };
  return { kind: 'valid', phases: phases(resolveSchedule(spec), spec.totalKimg), network: resolveNetwork(spec) };
}
