/** The plot of a run's losses over the images shown, one band per resolution with its fade-in shaded; drawn from metrics.jsonl. */
import sharp from 'sharp';
import { phases, type Schedule } from '../../crds/schedule.ts';
import { type Chart, chartSvg, type Point, type Span } from './chart.ts';
import { parseMetrics } from './log.ts';
import { withText } from './png-text.ts';

export type LossesOptions = {
  readonly title: string;
  readonly schedule: Schedule;
  /** The norm that the gradient penalty asks for (`wganTarget`). */
  readonly gradientTarget: number;
  /** The lines of metrics.jsonl. */
  readonly metrics: string;
  readonly text?: Readonly<Record<string, string>>;
};

/** The plot as PNG, or undefined where no tick has been reported yet. It shows no times: equal runs have equal plots. */
export async function lossesPng({ title, schedule, gradientTarget, metrics, text }: LossesOptions): Promise<Buffer | undefined> {
  const ticks = parseMetrics(metrics);
  const spans = spansOf(schedule, ticks.map(imagesOf));
  if (!spans) return undefined;
  const values = (field: string): readonly Point[] =>
    ticks.map((tick) => ({ x: imagesOf(tick) / 1000, y: typeof tick[field] === 'number' ? tick[field] : Number.NaN }));
  const chart: Chart = {
    title,
    xTitle: 'kimg (thousands of real images shown)',
    shade: 'fading in',
    spans,
    panels: [
      {
        title: 'Loss',
        series: [
          { name: 'Generator', colour: '#2563eb', points: values('generator') },
          { name: 'Discriminator', colour: '#dc2626', points: values('discriminator') },
        ],
      },
      {
        title: 'Scores given by the discriminator',
        series: [
          { name: 'Real images', colour: '#059669', points: values('realScores') },
          { name: 'Synthetic images', colour: '#d97706', points: values('fakeScores') },
        ],
      },
      {
        title: `Gradient norm between real and synthetic (the penalty draws it to ${gradientTarget})`,
        series: [{ name: 'Gradient norm', colour: '#7c3aed', points: values('gradientNorm') }],
        reference: gradientTarget,
      },
    ],
  };
  return withText(
    await sharp(Buffer.from(chartSvg(chart)))
      .removeAlpha()
      .png({ compressionLevel: 9 })
      .toBuffer(),
    text ?? {},
  );
}

/** A span per resolution from the one of the first tick (a fork does not begin at 4x4) to that of the last, in kimg. */
export function spansOf(schedule: Schedule, ticks: readonly number[]): readonly [Span, ...Span[]] | undefined {
  const [first, last] = [ticks[0], ticks.at(-1)];
  if (first === undefined || last === undefined) return undefined;
  const cycle = (schedule.trainKimg + schedule.transitionKimg) * 1000;
  const spans = phases(schedule, last / 1000)
    .map(({ resolution, startImages, endImages }, index) => ({ resolution, startImages, endImages, fadedInImages: index * cycle }))
    .filter(({ endImages }) => endImages >= first)
    .map(({ resolution, startImages, endImages, fadedInImages }) => ({
      label: `${resolution} × ${resolution}`,
      from: startImages / 1000,
      shadedTo: Math.max(Math.min(fadedInImages, endImages), startImages) / 1000,
      to: endImages / 1000,
    }));
  const [begin, ...rest] = spans;
  return begin && [begin, ...rest];
}

const imagesOf = (tick: Readonly<Record<string, unknown>>): number => Number(tick['images']);
