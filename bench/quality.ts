/** Trains the configurations whose image quality is known, through the command that people use, and measures what comes out. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { stringify } from 'yaml';
import type { Precision } from '../crds/run.ts';

/**
 * `reference-32` is the configuration of which the reference's own code reached an average SWD of 20.6 and 21.1 on the 1,341 normal
 * radiographs (two seeds); `growth-64` goes on to 64x64, for 100 kimg of its 300.
 */
export const CONFIGURATIONS = {
  'reference-32': { resolution: 32, totalKimg: 120, schedule: { trainKimg: 15, transitionKimg: 15 }, everyKimg: 15 },
  'growth-64': { resolution: 64, totalKimg: 300, schedule: { trainKimg: 35, transitionKimg: 20 }, everyKimg: 20 },
} as const;

export type QualityRunOptions = {
  readonly configuration: keyof typeof CONFIGURATIONS;
  /** Folder of PNG or JPEG files; reduced to grey images of the configuration's resolution. */
  readonly images: string;
  /** Where datasets and runs are kept; a run that is there already goes on, or is only measured. */
  readonly output: string;
  readonly seed: number;
  readonly precision: Precision;
  readonly threads: number;
  readonly redraws: number;
};

export type QualityResult = {
  readonly configuration: string;
  readonly seed: number;
  readonly precision: Precision;
  readonly threads: number;
  /** SWD x 1e3 by level, and their average; of the reals redrawn, the floor. */
  readonly swd: Readonly<Record<string, number>>;
  readonly floor: number;
  readonly meanCorrelation: number;
  readonly spreadRatio: number;
  /** Median over the ticks of each resolution without fade-in. */
  readonly secondsPerKimg: Readonly<Record<string, number>>;
  readonly run: string;
};

type Evaluation = {
  readonly moments: { readonly meanCorrelation: number; readonly spreadRatio: number };
  readonly rows: readonly { readonly snapshot: string; readonly metrics: Readonly<Record<string, number>> }[];
};

/** Hours on two cores for `growth-64`, minutes for `reference-32`. */
export async function measureQuality(options: QualityRunOptions): Promise<QualityResult> {
  const { configuration, seed, precision, threads } = options;
  const { resolution } = CONFIGURATIONS[configuration];
  const output = resolve(options.output);
  const dataset = join(output, 'datasets', `images-${resolution}`);
  if (!existsSync(dataset)) {
    const form = ['--resize', String(resolution), '--grayscale', '--shuffle', '0'];
    await pggan(['dataset', 'create-from-images', dataset, resolve(options.images), ...form]);
  }
  // Other threads give other bits, and so another run.
  const name = `${configuration}-${precision.toLowerCase()}-${seed}-threads-${threads}`;
  const manifest = join(output, `${name}.yaml`);
  mkdirSync(output, { recursive: true });
  writeFileSync(manifest, stringify(manifestOf(name, dataset, output, options)));
  await pggan(['start', manifest]);
  const run = join(output, 'default', name);
  const said = await pggan(['evaluate', run, '--metrics', 'moments,swd', '--redraws', String(options.redraws), '--json']);
  const { moments, rows } = JSON.parse(said) as Evaluation;
  const [, floor, newest] = rows;
  return {
    configuration,
    seed,
    precision,
    threads,
    swd: newest?.metrics ?? {},
    floor: floor?.metrics['SWDx1e3_avg'] ?? Number.NaN,
    meanCorrelation: moments.meanCorrelation,
    spreadRatio: moments.spreadRatio,
    secondsPerKimg: speeds(readFileSync(join(run, 'metrics.jsonl'), 'utf8')),
    run,
  };
}

function manifestOf(name: string, dataset: string, output: string, { configuration, seed, precision, threads }: QualityRunOptions): object {
  const { resolution, totalKimg, schedule, everyKimg } = CONFIGURATIONS[configuration];
  return {
    apiVersion: 'pggan.dev/v1alpha1',
    kind: 'PGGANTraining',
    metadata: { name, namespace: 'default' },
    spec: {
      dataset: { uri: pathToFileURL(dataset).href },
      output: { uri: pathToFileURL(output).href },
      resolution,
      totalKimg,
      schedule: { ...schedule, minibatchBase: 16, tickKimgBase: 5 },
      network: { channels: 1, fmapBase: 1024, fmapMax: 64, latentSize: 64 },
      precision,
      seed,
      threads,
      // All are kept: `pggan evaluate --all` then shows how the distance fell.
      checkpoints: { everyKimg, everySeconds: 3600, keepLast: 100 },
    },
  };
}

function speeds(metrics: string): Readonly<Record<string, number>> {
  const ticks = metrics
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { readonly resolution: number; readonly lod: number; readonly secondsPerKimg: number })
    .filter(({ lod }) => Number.isInteger(lod));
  const byResolution = Map.groupBy(ticks, ({ resolution }) => resolution);
  return Object.fromEntries(
    [...byResolution].map(([resolution, of]) => {
      const sorted = of.map(({ secondsPerKimg }) => secondsPerKimg).sort((a, b) => a - b);
      return [resolution, sorted[Math.floor(sorted.length / 2)] ?? Number.NaN];
    }),
  );
}

/** Runs a command as a person would, its remarks on stderr; returns what it prints. */
function pggan(args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, [join(import.meta.dirname, '../bin/pggan.mjs'), ...args], {
    stdio: ['inherit', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (text: Buffer) => {
    said += text.toString();
    if (args[0] !== 'evaluate') process.stderr.write(text);
  });
  return new Promise((done, failed) => {
    child.once('error', failed);
    child.once('close', (code) => (code === 0 ? done(said) : failed(new Error(`pggan ${args[0]} ended with code ${code}`))));
  });
}
