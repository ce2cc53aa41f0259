/** What is measured: networks of two widths at every resolution, in both precisions. */
import { AVERAGING_DEFAULTS, LOSS_DEFAULTS, NETWORK_DEFAULTS, OPTIMIZER_DEFAULTS, type Precision } from '../crds/run.ts';
import type { ProgramDefinition } from '../trainer/backend/program.ts';
import type { StepOptions } from '../trainer/train/step-options.ts';

type Width = 'full' | 'middle' | 'small';

export type StepCase = {
  readonly width: Width;
  readonly resolution: number;
  readonly minibatch: number;
  /** Images per pass of ours; the twin takes the whole minibatch. */
  readonly microbatch?: number | undefined;
  readonly precision: Precision;
  readonly mode: ProgramDefinition['mode'];
};

/** A phase of a run: networks that end at `finalResolution`, trained at `resolution`. */
export type MemoryCase = Omit<StepCase, 'mode'> & { readonly finalResolution: number };

export type MemoryFilter = Partial<Pick<StepCase, 'width' | 'precision'>> & { readonly resolutions?: readonly number[] };

export type Filter = {
  readonly resolutions?: readonly number[] | undefined;
  readonly width?: Width | undefined;
  readonly precision?: Precision | undefined;
  readonly minibatch: number;
  readonly microbatch?: number | undefined;
  readonly mode: StepCase['mode'];
};

/** The paper's network, and one that two cores train in an hour. */
const WIDTHS = {
  full: { fmapBase: 8192, fmapMax: 512, latentSize: 512 },
  middle: { fmapBase: 4096, fmapMax: 256, latentSize: 256 },
  small: { fmapBase: 1024, fmapMax: 64, latentSize: 64 },
} as const;

const RESOLUTIONS: Readonly<Record<Width, readonly number[]>> = {
  full: [4, 8, 16, 32, 64],
  middle: [16, 32, 64, 128],
  small: [16, 32, 64, 128],
};

/** The cases that a filter leaves; resolutions that are named are measured even where they are not in the usual list. */
export function stepCases({ resolutions, width, precision, minibatch, microbatch, mode }: Filter): readonly StepCase[] {
  const widths: readonly Width[] = width ? [width] : ['small', 'full'];
  const precisions: readonly Precision[] = precision ? [precision] : ['Float32', 'BFloat16Mixed'];
  return widths.flatMap((each) =>
    (resolutions ?? RESOLUTIONS[each]).flatMap((resolution) =>
      precisions.map((of) => ({ width: each, resolution, minibatch, microbatch, precision: of, mode })),
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

/** Resolution at which the networks end, resolution of the phase, minibatch, precision; in rising order of memory within each width. */
const MEMORY_CASES: Readonly<Record<Width, readonly (readonly [number, number, number, 'fp32' | 'bf16'])[]>> = {
  small: [
    [4, 4, 64, 'fp32'],
    [8, 8, 64, 'fp32'],
    [16, 16, 16, 'fp32'],
    [16, 16, 64, 'fp32'],
    [32, 32, 16, 'fp32'],
    [64, 64, 16, 'bf16'],
    [128, 128, 4, 'fp32'],
    [32, 32, 64, 'bf16'],
    [64, 64, 16, 'fp32'],
    [128, 128, 16, 'bf16'],
    [128, 128, 16, 'fp32'],
    [256, 256, 8, 'fp32'],
    [512, 512, 4, 'fp32'],
    [256, 256, 16, 'bf16'],
    [512, 512, 8, 'bf16'],
  ],
  middle: [
    [4, 4, 64, 'fp32'],
    [8, 8, 16, 'bf16'],
    [256, 8, 16, 'fp32'],
    [16, 16, 16, 'fp32'],
    [64, 64, 4, 'bf16'],
    [64, 64, 8, 'fp32'],
    [128, 128, 4, 'bf16'],
    [256, 256, 4, 'fp32'],
  ],
  full: [
    [4, 4, 16, 'fp32'],
    [8, 8, 16, 'fp32'],
    [512, 4, 64, 'fp32'],
    [16, 16, 4, 'fp32'],
    [16, 16, 4, 'bf16'],
    [32, 32, 4, 'fp32'],
    [512, 64, 4, 'bf16'],
    [64, 64, 4, 'fp32'],
    [512, 128, 4, 'fp32'],
    [512, 512, 4, 'bf16'],
    [512, 512, 4, 'fp32'],
  ],
};

export function memoryCases({ width, precision, resolutions }: MemoryFilter): readonly MemoryCase[] {
  const widths: readonly Width[] = width ? [width] : ['small', 'middle', 'full'];
  return widths
    .flatMap((each) =>
      MEMORY_CASES[each].map(
        ([finalResolution, resolution, minibatch, type]): MemoryCase => ({
          width: each,
          finalResolution,
          resolution,
          minibatch,
          precision: type === 'fp32' ? 'Float32' : 'BFloat16Mixed',
        }),
      ),
    )
    .filter((each) => (precision === undefined || each.precision === precision) && (resolutions?.includes(each.resolution) ?? true));
}
