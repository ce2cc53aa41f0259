/** What is measured: networks of two widths at every resolution, in both precisions. */
import { AVERAGING_DEFAULTS, LOSS_DEFAULTS, NETWORK_DEFAULTS, OPTIMIZER_DEFAULTS, type Precision } from '../crds/run.ts';
import type { ProgramDefinition } from '../trainer/backend/program.ts';
import type { StepOptions } from '../trainer/train/program.ts';

type Width = 'full' | 'small';

export type StepCase = {
  readonly width: Width;
  readonly resolution: number;
  readonly minibatch: number;
  readonly precision: Precision;
  readonly mode: ProgramDefinition['mode'];
};

export type Filter = {
  readonly resolutions?: readonly number[] | undefined;
  readonly width?: Width | undefined;
  readonly precision?: Precision | undefined;
  readonly minibatch: number;
  readonly mode: StepCase['mode'];
};

/** The paper's network, and one that two cores train in an hour. */
const WIDTHS = {
  full: { fmapBase: 8192, fmapMax: 512, latentSize: 512 },
  small: { fmapBase: 1024, fmapMax: 64, latentSize: 64 },
} as const;

const RESOLUTIONS: Readonly<Record<Width, readonly number[]>> = { full: [4, 8, 16, 32, 64], small: [16, 32, 64, 128] };

/** The cases that a filter leaves; resolutions that are named are measured even where they are not in the usual list. */
export function stepCases({ resolutions, width, precision, minibatch, mode }: Filter): readonly StepCase[] {
  const widths: readonly Width[] = width ? [width] : ['small', 'full'];
  const precisions: readonly Precision[] = precision ? [precision] : ['Float32', 'BFloat16Mixed'];
  return widths.flatMap((each) =>
    (resolutions ?? RESOLUTIONS[each]).flatMap((resolution) =>
      precisions.map((of) => ({ width: each, resolution, minibatch, precision: of, mode })),
    ),
  );
}

/** Everything else is at its default; the network ends at the resolution measured, where nothing fades in. */
export function stepOptions({ width, resolution, precision }: Pick<StepCase, 'width' | 'resolution' | 'precision'>): StepOptions {
  return {
    shape: { ...NETWORK_DEFAULTS, ...WIDTHS[width], resolution, labelSize: 0 },
    loss: LOSS_DEFAULTS,
    optimizer: OPTIMIZER_DEFAULTS,
    averagingDecay: AVERAGING_DEFAULTS.decay,
    precision,
    mirrorAugment: false,
  };
}
