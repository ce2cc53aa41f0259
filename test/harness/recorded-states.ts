/** Objects as the API server has them in every state that the operator can leave them in, for the tools that watch them. */
import { API_VERSION } from '../../crds/v1alpha1/common.ts';
import type { Health } from '../../operator/health.ts';
import type { Condition } from '../../operator/kube/conditions.ts';
import { SYNTHESIS_STATES } from '../../operator/synthesis/states.ts';
import { STATES } from '../../operator/training/states.ts';

export type Stored = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly generation: number;
    readonly deletionTimestamp?: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: { readonly suspend?: boolean };
  readonly status: {
    readonly observedGeneration: number;
    readonly conditions?: readonly Condition[];
    readonly lastHandledRetry?: string | undefined;
  };
};
export type Case = { readonly state: string; readonly health: Health; readonly object: Stored };

/** As the API server has it; `status` of what no operator has seen is the default of its CustomResourceDefinition. */
function stored(kind: string, { metadata, spec, status }: Pick<Stored, 'metadata' | 'spec'> & Partial<Stored>): Stored {
  return { apiVersion: API_VERSION, kind, metadata, spec, status: status ?? { observedGeneration: -1 } };
}

/** By kind. */
export const CASES: Readonly<Record<string, readonly Case[]>> = {
  PGGANTraining: STATES.map(({ state, health, world }) => ({ state, health, object: stored('PGGANTraining', world().training) })),
  SynthesisJob: SYNTHESIS_STATES.map(({ state, health, example }) => ({ state, health, object: stored('SynthesisJob', example().object) })),
};

export const objectsOf = (cases: readonly Case[]): readonly Stored[] => cases.map(({ object }) => object);

/** The name of a state as that of a file. */
export const fileOf = (state: string): string => state.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
