/** Draws what became of runs of one configuration over the images shown: how far their images are from the reals, and their losses. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { runDocument } from '../crds/run.ts';
import { type Chart, chartSvg, type Point } from '../trainer/report/chart.ts';
import { parseMetrics } from '../trainer/report/log.ts';
import { spansOf } from '../trainer/report/losses.ts';

export type PlottedRun = {
  readonly name: string;
  /** The run folder. */
  readonly folder: string;
  /** What `pggan evaluate FOLDER --all --json` printed. */
  readonly evaluation: string;
};

type Evaluation = { readonly rows: readonly { readonly snapshot: string; readonly metrics: Readonly<Record<string, number>> }[] };
type Ticks = readonly Readonly<Record<string, unknown>>[];

const COLOURS = ['#2563eb', '#d97706', '#059669', '#7c3aed', '#dc2626', '#0891b2'];
const DISTANCE = 'SWDx1e3_avg';

/** Writes a PNG. All runs must have the schedule of the first one. */
export async function plotQuality(title: string, runs: readonly PlottedRun[], file: string): Promise<void> {
  const read = await Promise.all(runs.map(readRun));
  const [first] = read;
  if (!first) throw new RangeError('there is no run to be drawn');
  const spans = spansOf(first.schedule, first.ticks.map(imagesOf));
  if (!spans) throw new RangeError(`${first.name} has no tick yet`);
  const losses = (field: string): Chart['panels'][number]['series'] =>
    read.map(({ name, ticks }, index) => ({
      name,
      colour: COLOURS[index % COLOURS.length] ?? '',
      points: ticks.map((tick) => ({ x: imagesOf(tick) / 1000, y: Number(tick[field]) })),
    }));
  const svg = chartSvg({
    title,
    xTitle: 'kimg (thousands of real images shown)',
    shade: 'fading in',
    spans,
    panels: [
      {
        title: 'Sliced Wasserstein distance x 1000 to the reals at full resolution (dashed: the reals drawn anew)',
        series: read.map(({ name, distances }, index) => ({ name, colour: COLOURS[index % COLOURS.length] ?? '', points: distances })),
        reference: first.floor,
      },
      { title: 'Loss of the discriminator', series: losses('discriminator') },
      { title: 'Loss of the generator', series: losses('generator') },
    ],
  });
  await writeFile(file, await sharp(Buffer.from(svg)).removeAlpha().png({ compressionLevel: 9 }).toBuffer());
}

async function readRun({ name, folder, evaluation }: PlottedRun) {
  const [record, metrics, evaluated] = await Promise.all(
    [join(folder, 'run.json'), join(folder, 'metrics.jsonl'), evaluation].map((path) => readFile(path, 'utf8')),
  );
  const { options } = JSON.parse(record ?? '') as { readonly options: unknown };
  const run = runDocument.parse(options);
  if (run.kind !== 'training') throw new RangeError(`${folder} holds no training`);
  const { rows } = JSON.parse(evaluated ?? '') as Evaluation;
  const ticks: Ticks = parseMetrics(metrics ?? '');
  const floor = rows.find(({ snapshot }) => snapshot === 'Reals2')?.metrics[DISTANCE] ?? Number.NaN;
  const distances: readonly Point[] = rows
    .flatMap(({ snapshot, metrics: row }) => {
      const kimg = Number(snapshot);
      return Number.isFinite(kimg) ? [{ x: kimg, y: row[DISTANCE] ?? Number.NaN }] : [];
    })
    .toSorted((a, b) => a.x - b.x);
  return { name, schedule: run.schedule, ticks, distances, floor };
}

const imagesOf = (tick: Ticks[number]): number => Number(tick['images']);
