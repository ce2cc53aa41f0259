/** A plan as a table for people. */
import { duration, fittingText, size } from '../../crds/text.ts';
import type { PlannedPhase, TrainingPlan } from './plan.ts';

const COLUMNS = ['phase', 'images', 'minibatch', 'memory', 's/kimg fading', 's/kimg settled', 'time'] as const;

/** Several lines without a final line break. */
export function planText(plan: TrainingPlan): string {
  const { name, resolution, precision, threads, processor, backend } = plan;
  const where = processor === null ? 'nothing measured' : `measured on ${processor} (${backend})`;
  const rows = [COLUMNS, ...plan.phases.map(cells), ['total', thousands(plan.images), '', '', '', '', time(plan)]];
  const widths = COLUMNS.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const table = rows.map((row) =>
    row
      .map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
  return [
    `${name}: ${resolution}x${resolution}, ${precision}, ${threads} threads; ${where}`,
    ...table,
    `storage: ${size(plan.diskBytes)} for the checkpoints that are kept and the pictures`,
    ...verdict(plan),
  ].join('\n');
}

function cells(phase: PlannedPhase): readonly string[] {
  return [
    `${phase.resolution}x${phase.resolution}`,
    thousands(phase.images),
    String(phase.minibatch),
    `${size(phase.memoryBytes)}${phase.fits ? '' : ' !'}`,
    figure(phase.fadingSecondsPerKimg),
    figure(phase.settledSecondsPerKimg),
    `${phase.isMeasured ? '' : '~'}${duration(phase.seconds)}`,
  ];
}

function verdict({ phases, fits }: TrainingPlan): readonly string[] {
  const rough = phases.some(({ isMeasured }) => !isMeasured) ? [ROUGH] : [];
  if (fits) return [...rough, 'memory: every phase fits'];
  const refused = phases.filter((phase) => !phase.fits).toReversed();
  return [
    ...rough,
    ...refused.map(({ resolution, memoryBytes, limitBytes, limitSource, largestMinibatch, largestMicrobatch }) => {
      const needs = `memory: ${resolution}x${resolution} needs ${size(memoryBytes)}, ${limitSource} is ${size(limitBytes ?? 0)}`;
      return `${needs}: ${fittingText(largestMinibatch, largestMicrobatch)}`;
    }),
  ];
}

/** What `phaseSecondsPerKimg` of crds/estimate.ts reaches. */
const ROUGH =
  '~: not measured: within a factor of 1.7 on a CPU with AVX-512 and bfloat16; without, about 7 times as long, in mixed precision longer still';

const time = ({ phases, seconds }: TrainingPlan): string =>
  `${phases.every(({ isMeasured }) => isMeasured) ? '' : '~'}${duration(seconds)}`;

const thousands = (images: number): string => images.toLocaleString('en');

/** Three significant digits without an exponent. */
function figure(value: number | null): string {
  if (value === null) return '-';
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
