/** `trainer evaluate`: measures the averaged generator of a run against its dataset, newest checkpoint first. */
import { writeFile } from 'node:fs/promises';
import type { MetricName } from '../../crds/run.ts';
import { prepareBackend } from '../backend/backend.ts';
import { storeError } from '../checkpoint/file-errors.ts';
import type { Access } from '../checkpoint/open-store.ts';
import { listCheckpoints } from '../checkpoint/load-checkpoint.ts';
import { type Dataset, openDataset } from '../data/dataset.ts';
import { accessOf, runNamed, type StoreCommandOptions } from '../store-options.ts';
import { type OpenGenerator, openGenerator, trainingOf } from '../synthesis/open-generator.ts';
import { createMetric, imagesPerSet, METRICS, metricName } from './choose.ts';
import { columnsOf, evaluate, type ImageSource, type Row } from './evaluate.ts';
import { moments } from './moments.ts';
import { type NearestReport, nearestReport } from './nearest-picture.ts';
import { fakes, reals } from './sources.ts';
import { tableHead, tableRow } from './table.ts';

type Options = StoreCommandOptions & {
  readonly metrics: string;
  readonly numImages?: number;
  readonly all?: boolean;
  readonly redraws: number;
  /** File for the picture of fakes and their nearest training images. */
  readonly nearest?: string;
  readonly json?: boolean;
};

/** Prints a table, or one JSON object {moments, rows}. @throws {PgganError} */
export async function evaluateRun(folder: string, options: Options): Promise<void> {
  const names = options.metrics.split(',').map((name) => metricName(name.trim()));
  const { uri, s3 } = runNamed(folder, options);
  const newest = await openGenerator(uri, s3);
  const run = trainingOf(newest);
  const dataset = await openDataset(run.dataset.uri, { s3: accessOf(options, run.store), resolutions: [], note: say });
  try {
    const { threads, schedule } = run;
    // That of the run: its dataset may have larger images.
    await dataset.prepare(schedule.resolution);
    const { kind } = await prepareBackend({ threads, warn: (message) => process.stderr.write(`warning: ${message}\n`) });
    const fakesOf = (generator: OpenGenerator): ImageSource => fakes(generator, dataset, kind === 'native' ? 'graph' : 'eager');
    const shape = { resolution: schedule.resolution, channels: dataset.channels };
    const result: { moments?: object; rows?: Row[]; nearest?: object } = {};
    if (names.includes('moments')) {
      const count = options.numImages ?? METRICS.moments.images;
      const measured = await moments(fakesOf(newest)(count), reals(dataset, shape.resolution)(dataset.images), shape);
      result.moments = { ...measured, fakes: count, reals: dataset.images };
      if (!options.json) {
        process.stdout.write(
          `${count} fakes against ${dataset.images} reals: correlation of the mean images ${measured.meanCorrelation.toFixed(4)}, spread ${measured.spreadRatio.toFixed(3)} of the reals'\n`,
        );
      }
    }
    const others = names.filter((name) => name !== 'moments');
    if (others.length > 0) result.rows = await compare(others, newest, dataset, shape, options, fakesOf);
    if (options.nearest !== undefined) {
      const { png, ...report } = await nearestReport(fakesOf(newest), reals(dataset, shape.resolution), dataset, shape);
      await writePicture(options.nearest, png);
      result.nearest = report;
      if (!options.json) process.stdout.write(`${nearestText(report)}: ${options.nearest}\n`);
    }
    if (options.json) process.stdout.write(`${JSON.stringify({ snapshot: newest.checkpoint, ...result })}\n`);
  } finally {
    dataset.close();
  }
}

async function writePicture(file: string, png: Buffer): Promise<void> {
  try {
    await writeFile(file, png);
  } catch (error) {
    throw storeError(file, 'write', '', error);
  }
}

const say = (line: string): void => void process.stderr.write(`${line}\n`);

async function compare(
  names: readonly MetricName[],
  newest: OpenGenerator,
  dataset: Dataset,
  shape: { readonly resolution: number; readonly channels: 1 | 3 },
  options: Options,
  fakesOf: (generator: OpenGenerator) => ImageSource,
): Promise<Row[]> {
  const { images, remark } = imagesPerSet(names, options.numImages, dataset.images);
  if (remark !== undefined) say(remark);
  const metrics = names.map((name) => createMetric(name, { shape, images, seed: trainingOf(newest).seed, redraws: options.redraws }));
  const snapshots = [];
  for (const generator of await generatorsOf(newest, options.all === true, accessOf(options, trainingOf(newest).store)))
    snapshots.push({ kimg: generator.checkpoint.images / 1000, fakes: fakesOf(generator) });
  const columns = columnsOf(metrics);
  if (!options.json) process.stdout.write(`${images} images per set\n${tableHead(columns).join('\n')}\n`);
  const rows: Row[] = [];
  const realPasses = Math.max(...names.map((name) => METRICS[name].realPasses));
  for await (const row of evaluate({
    metrics,
    shape,
    images,
    reals: reals(dataset, shape.resolution),
    realPasses,
    snapshots,
    now: () => performance.now() / 1000,
  })) {
    rows.push(row);
    if (!options.json) process.stdout.write(`${tableRow(row, columns)}\n`);
  }
  return rows;
}

function nearestText({ fakes: found, realsRmse }: Omit<NearestReport, 'png'>): string {
  const distances = found.map(({ rmse }) => rmse).sort((a, b) => a - b);
  const [least = Number.NaN, most = Number.NaN] = [distances[0], distances.at(-1)];
  return `${found.length} fakes are ${least.toFixed(1)} to ${most.toFixed(1)} grey levels from the nearest of the training images, which are ${realsRmse.toFixed(1)} from one another (median)`;
}

/** The newest checkpoint, or all. */
async function generatorsOf(newest: OpenGenerator, all: boolean, s3: Access): Promise<readonly OpenGenerator[]> {
  if (!all) return [newest];
  const folders = (await listCheckpoints(newest.store)).filter(({ committed }) => committed);
  const generators: OpenGenerator[] = [];
  for (const { key } of folders) generators.push(await openGenerator(`${newest.store.uri}/${key}`, s3));
  return generators;
}
