/** Draws what the training board shows of a training, for those who have no Grafana at hand: the same queries, as one picture over the images shown. */
import sharp from 'sharp';
import { type Chart, chartSvg, type Point, type Span } from '../trainer/report/chart.ts';
import type { Board } from './boards/board.ts';
import { queriesOf } from './boards/queries-of.ts';

/** What Prometheus answers to a query over the time of a run. */
export type Ask = (query: string) => Promise<readonly AnsweredSeries[]>;
type AnsweredSeries = {
  readonly labels: Readonly<Record<string, string>>;
  readonly points: readonly { readonly time: number; readonly value: number }[];
};

/** Values in the place of a board's variables; those that Grafana itself has are not used by ours. */
export function filledIn(expr: string, values: Readonly<Record<string, string>>): string {
  return Object.entries(values).reduce((text, [name, value]) => text.replaceAll(`$${name}`, value), expr);
}

/** Titles of panels, and what is drawn in place of theirs. */
const DRAWN: readonly (readonly [panel: string, title: string, reference?: number])[] = [
  ['Loss of the generator', 'Loss of the generator'],
  ['Loss of the discriminator', 'Loss of the discriminator'],
  ['Scores', 'Scores given by the discriminator'],
  ['Gradient norm', 'Gradient norm (the penalty draws it to 1)', 1],
  ['Seconds per kimg', 'Seconds per thousand images'],
  ['Time left', 'Time left at the pace of the time, seconds'],
  ['Age of the newest checkpoint', 'Age of the newest checkpoint and its interval, seconds'],
  ['Waits for its store', 'Waits for its store (1 while it does)'],
  ['Failures and disruptions', 'Pods that failed or were stopped unasked, processes that resumed'],
];
const COLOURS = ['#2563eb', '#d97706', '#059669', '#7c3aed', '#dc2626', '#0891b2', '#65a30d', '#be185d'];

type Drawn = { readonly title: string; readonly namespace: string; readonly name: string };

/** A PNG. */
export async function plotTraining(board: Board, ask: Ask, object: Drawn): Promise<Buffer> {
  const values = { namespace: object.namespace, training: object.name };
  const of = `{namespace="${object.namespace}", name="${object.name}"}`;
  const queries = queriesOf(board);
  const kimg = await clock(ask, `max(pggan_training_kimg${of})`);
  const lod = await clock(ask, `max(pggan_training_lod${of})`);
  const resolution = await clock(ask, `max(pggan_training_resolution_pixels${of})`);
  const panels = await Promise.all(
    DRAWN.map(async ([panel, title, reference]): Promise<Chart['panels'][number]> => {
      const asked = queries.filter(({ where }) => where === panel);
      const lines = await Promise.all(
        asked.map(async ({ expr, legend }) => named(await ask(filledIn(expr, values)), legend, asked.length > 1)),
      );
      const series = lines.flat().map(({ name, points }, index) => ({
        name,
        colour: COLOURS[index % COLOURS.length] ?? '',
        points: inOrder(points.map(({ time, value }) => ({ x: kimg.get(time) ?? Number.NaN, y: value }))),
      }));
      return { title, series, ...(reference !== undefined && { reference }) };
    }),
  );
  const svg = chartSvg({
    title: object.title,
    xTitle: 'kimg (thousands of real images shown)',
    shade: 'fading in',
    spans: spansOf(kimg, lod, resolution),
    panels,
  });
  return sharp(Buffer.from(svg)).removeAlpha().png({ compressionLevel: 9 }).toBuffer();
}

type Named = { readonly name: string; readonly points: AnsweredSeries['points'] };

/** Series by the names that their legend gives them, small resolutions first; `together` makes one line of all resolutions. */
function named(answers: readonly AnsweredSeries[], legend: string, together: boolean): readonly Named[] {
  const sorted = answers.toSorted((a, b) => Number(a.labels['resolution']) - Number(b.labels['resolution']));
  if (together) return [{ name: legend.replace(/ ?\{\{.*$/, ''), points: sorted.flatMap(({ points }) => points) }];
  return sorted.map(({ labels, points }) => ({
    name: legend.replaceAll(/\{\{(\w+)\}\}/g, (_, label: string) => labels[label] ?? ''),
    points,
  }));
}

/** The value of a query that has one series, by time. */
async function clock(ask: Ask, query: string): Promise<ReadonlyMap<number, number>> {
  const [series] = await ask(query);
  if (!series) throw new RangeError(`Prometheus has nothing for ${query}`);
  return new Map(series.points.map(({ time, value }) => [time, value]));
}

/** By images shown; the last word about a number of images holds. */
function inOrder(points: readonly Point[]): readonly Point[] {
  const byImages = new Map(points.filter(({ x }) => Number.isFinite(x)).map((point) => [point.x, point]));
  return [...byImages.values()].toSorted((a, b) => a.x - b.x);
}

/** One per resolution, shaded as long as its level of detail is fractional. */
function spansOf(
  kimg: ReadonlyMap<number, number>,
  lod: ReadonlyMap<number, number>,
  resolution: ReadonlyMap<number, number>,
): readonly [Span, ...Span[]] {
  const spans = new Map<number, { from: number; shadedTo: number; to: number }>();
  for (const [time, pixels] of resolution) {
    const at = kimg.get(time) ?? 0;
    const span = spans.get(pixels) ?? { from: at, shadedTo: at, to: at };
    spans.set(pixels, span);
    span.to = Math.max(span.to, at);
    if (!Number.isInteger(lod.get(time) ?? 0)) span.shadedTo = Math.max(span.shadedTo, at);
  }
  const [first, ...rest] = [...spans].map(([pixels, span]) => ({ label: `${pixels} × ${pixels}`, ...span }));
  if (!first) throw new RangeError('the training has shown no image yet');
  return [first, ...rest];
}
