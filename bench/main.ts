/** `npm run bench -- step|data|checkpoint|quality|quality-plot|memory|metrics|fleet|restart [--json]`: measures, prints a table or lines of JSON, judges nothing. */
import { cpus } from 'node:os';
import { Command, InvalidArgumentError, Option } from 'commander';
import { type CheckpointResult, type CheckpointRunOptions, measureCheckpoint } from './checkpoint.ts';
import { type CheckpointStoreResult, measureCheckpointStore } from './checkpoint-store.ts';
import { type DataResult, type DataRunOptions, measureData } from './data.ts';
import { type FleetResult, type FleetRunOptions, measureFleet } from './fleet.ts';
import { memoryCases, stepCases, type Filter, type MemoryFilter, type StepCase } from './cases.ts';
import { measureMemory, type MemoryResult } from './memory.ts';
import { measureMetrics, type MetricsResult } from './metrics.ts';
import { CONFIGURATIONS, measureQuality, type QualityResult, type QualityRunOptions } from './quality.ts';
import { plotQuality } from './quality-plot.ts';
import { figure, gigabytes, percent, printer } from './report.ts';
import { measureRestart, type RestartResult } from './restart.ts';
import { measureStep, type StepResult, type StepRunOptions } from './step.ts';

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const note = (text: string): void => void process.stderr.write(`${text}\n`);
const whole = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('a whole number above 0 is wanted');
  return value;
};
const counts = (text: string): readonly number[] => text.split(',').map((each) => (each === '0' ? 0 : whole(each)));
const wholes = (text: string): readonly number[] => text.split(',').map(whole);

const program = new Command('bench').description('Measures this machine; every figure belongs to it and to the hour.');
program
  .command('step')
  .description('the training step: full width at 4 to 64, the small network at 16 to 128, both precisions, beside Python TensorFlow')
  .option('--json', 'lines of JSON', false)
  .option('--resolutions <list>', 'only these, separated by commas', wholes)
  .addOption(new Option('--width <width>', 'only this one').choices(['small', 'full']))
  .addOption(new Option('--precision <precision>', 'only this one').choices(['Float32', 'BFloat16Mixed']))
  .option('--minibatch <n>', 'images per step', whole, 16)
  .option('--microbatch <n>', 'images per forward and backward pass of ours, a divisor of the minibatch', whole)
  .option('--iterations <n>', 'rounds, of which medians are taken', whole, 5)
  .option('--threads <n>', 'threads per op, for all', whole, cpus().length)
  .addOption(new Option('--mode <mode>', 'traced graph or eager').choices(['graph', 'eager']).default('graph'))
  .addOption(new Option('--twin <way>', 'the step in Python TensorFlow').choices(['best', 'plain', 'xla', 'none']).default('best'))
  .option('--twin-seconds <s>', 'give a twin up that takes longer to start', whole, 600)
  .action(async (options: Filter & Omit<StepRunOptions, 'note'> & { readonly json: boolean }) => {
    const table = printer<StepResult>(STEP_COLUMNS, options.json, print);
    table.header();
    for (const each of stepCases(options)) table.row(await measureStep(each, { ...options, note }));
  });

program
  .command('data')
  .description('reading TFRecords and making feeds of them, beside Python tf.data over the same file')
  .option('--json', 'lines of JSON', false)
  .option('--resolutions <list>', 'of the images', wholes, [16, 64, 256, 512])
  .option('--minibatch <n>', 'images per step', whole, 16)
  .option('--images <n>', 'in the dataset', whole, 128)
  .option('--iterations <n>', 'rounds, of which medians are taken', whole, 5)
  .option('--threads <n>', 'threads of tf.data', whole, cpus().length)
  .action(async (options: Omit<DataRunOptions, 'note'> & { readonly json: boolean }) => {
    const table = printer<DataResult>(DATA_COLUMNS, options.json, print);
    table.header();
    await measureData({ ...options, note }, (row) => table.row(row));
  });
program
  .command('checkpoint')
  .description(
    'saving and loading the whole state of a full-width run, beside dd with fsync of the same bytes, and what training stands still for',
  )
  .option('--json', 'lines of JSON', false)
  .option('--resolution <r>', 'at which the networks end', whole, 512)
  .option('--iterations <n>', 'rounds, of which medians are taken', whole, 5)
  .option('--folder <folder>', 'on the disk to be measured', '.')
  .option('--threads <n>', 'threads of TensorFlow', whole, cpus().length)
  .addOption(new Option('--store <kind>', 'a folder, or a MinIO that is started for it').choices(['file', 'minio']).default('file'))
  .action(async (options: CheckpointRunOptions & { readonly json: boolean; readonly store: 'file' | 'minio' }) => {
    if (options.store === 'minio') {
      const rows = printer<CheckpointStoreResult>(CHECKPOINT_STORE_COLUMNS, options.json, print);
      rows.header();
      return rows.row(await measureCheckpointStore(options));
    }
    const table = printer<CheckpointResult>(CHECKPOINT_COLUMNS, options.json, print);
    table.header();
    table.row(await measureCheckpoint(options));
  });

program
  .command('quality')
  .description('trains a configuration whose quality is known, as people would, and measures its images; goes on where it was stopped')
  .requiredOption('--images <folder>', 'PNG or JPEG files; figures are known for the 1,341 normal radiographs of Kermany et al.')
  .option('--json', 'lines of JSON', false)
  .addOption(new Option('--configuration <name>').choices(Object.keys(CONFIGURATIONS)).default('reference-32'))
  .addOption(new Option('--precision <precision>').choices(['Float32', 'BFloat16Mixed']).default('Float32'))
  .option('--seed <n>', 'of all random numbers', whole, 1)
  .option('--threads <n>', 'threads per op', whole, cpus().length)
  .option('--redraws <n>', 'draws of patches and directions that are averaged', whole, 5)
  .option('--output <folder>', 'where datasets and runs are kept', 'runs')
  .action(async (options: QualityRunOptions & { readonly json: boolean }) => {
    const table = printer<QualityResult>(QUALITY_COLUMNS, options.json, print);
    table.header();
    table.row(await measureQuality(options));
  });

program
  .command('quality-plot')
  .description('draws distance and losses of such runs over the images shown')
  .argument('<run...>', 'NAME=FOLDER=FILE: a name, a run folder, and what `pggan evaluate FOLDER --all --json` printed')
  .requiredOption('--output <file>', 'PNG')
  .option('--title <text>', 'above the plot', 'Training')
  .action((runs: readonly string[], { output, title }: { readonly output: string; readonly title: string }) =>
    plotQuality(
      title,
      runs.map((run) => {
        const [name = '', folder = '', evaluation = ''] = run.split('=');
        return { name, folder, evaluation };
      }),
      output,
    ),
  );

const QUALITY_COLUMNS = [
  {
    title: 'case',
    cell: ({ configuration, precision, seed, threads }: QualityResult) =>
      `${configuration} ${precision === 'Float32' ? 'fp32' : 'bf16'} seed ${seed} threads ${threads}`,
  },
  { title: 'SWD', cell: (row: QualityResult) => figure(row.swd['SWDx1e3_avg']) },
  { title: 'floor', cell: (row: QualityResult) => figure(row.floor) },
  { title: 'mean corr', cell: (row: QualityResult) => row.meanCorrelation.toFixed(4) },
  { title: 'spread', cell: (row: QualityResult) => row.spreadRatio.toFixed(3) },
  {
    title: 's/kimg',
    cell: ({ secondsPerKimg }: QualityResult) =>
      Object.entries(secondsPerKimg)
        .map(([resolution, seconds]) => `${resolution}x${resolution}: ${figure(seconds)}`)
        .join(', '),
  },
];

program
  .command('memory')
  .description('the most memory that the process of a phase takes, from checkpoint to checkpoint, beside what was estimated')
  .option('--json', 'lines of JSON', false)
  .addOption(new Option('--width <width>', 'only this one').choices(['small', 'middle', 'full']))
  .addOption(new Option('--precision <precision>', 'only this one').choices(['Float32', 'BFloat16Mixed']))
  .option('--resolutions <list>', 'only phases of these, separated by commas', wholes)
  .option('--threads <n>', 'threads per op', whole, 2)
  .action(async (options: MemoryFilter & { readonly threads: number; readonly json: boolean }) => {
    const table = printer<MemoryResult>(MEMORY_COLUMNS, options.json, print);
    table.header();
    for (const each of memoryCases(options)) table.row(await measureMemory(each, options.threads));
  });

program
  .command('metrics')
  .description("the operator's /metrics, rendered for many trainings: size, time, and for how long nothing else could run")
  .option('--json', 'lines of JSON', false)
  .option('--trainings <list>', 'numbers of trainings, separated by commas', wholes, [100, 1000, 5000])
  .action(async ({ trainings, json }: { readonly trainings: readonly number[]; readonly json: boolean }) => {
    const table = printer<MetricsResult>(METRICS_COLUMNS, json, print);
    table.header();
    for (const each of trainings) table.row(await measureMetrics(each));
  });

program
  .command('fleet')
  .description(
    'what a training of eight phases costs the operator and its API server, as the fleet grows; on real controllers with fake GPUs',
  )
  .option('--json', 'lines of JSON', false)
  .option('--trainings <list>', 'numbers of trainings, separated by commas', wholes, [100, 1000])
  .option('--run-seconds <s>', 'how long a pod runs', whole, 2)
  .option('--ttl-seconds <s>', 'how long ended Jobs are kept', whole, 86_400)
  .option('--beside <list>', 'numbers of suspended trainings that are there all the while, separated by commas', counts, [0])
  .option('--reconciles', 'measure the CPU of single reconciles, which takes some itself', false)
  .action(async ({ trainings, beside, json, ...options }: FleetCommandOptions) => {
    const table = printer<FleetResult>(FLEET_COLUMNS, json, print);
    table.header();
    for (const each of trainings) for (const idle of beside) table.row(await measureFleet(each, { ...options, beside: idle }));
  });

program
  .command('restart')
  .description('memory and CPU of an operator that starts beside trainings that have ended, until it has looked at each of them')
  .option('--json', 'lines of JSON', false)
  .option('--trainings <list>', 'numbers of trainings, separated by commas', wholes, [100, 1000, 5000])
  .action(async ({ trainings, json }: { readonly trainings: readonly number[]; readonly json: boolean }) => {
    const table = printer<RestartResult>(RESTART_COLUMNS, json, print);
    table.header();
    for (const each of trainings) table.row(await measureRestart(each));
  });

const RESTART_COLUMNS = [
  { title: 'trainings', cell: (row: RestartResult) => String(row.trainings) },
  { title: 'objects', cell: (row: RestartResult) => String(row.objects) },
  { title: 'CPU s', cell: (row: RestartResult) => figure(row.cpuSeconds) },
  { title: 'CPU ms/training', cell: (row: RestartResult) => figure((1000 * row.cpuSeconds) / row.trainings) },
  { title: 'MiB', cell: (row: RestartResult) => figure(row.peakBytes / 2 ** 20) },
];

type FleetCommandOptions = Omit<FleetRunOptions, 'beside'> & {
  readonly trainings: readonly number[];
  readonly beside: readonly number[];
  readonly json: boolean;
};

const FLEET_COLUMNS = [
  { title: 'trainings', cell: (row: FleetResult) => String(row.trainings) },
  { title: 'beside', cell: (row: FleetResult) => String(row.beside) },
  { title: 'seconds', cell: (row: FleetResult) => figure(row.seconds) },
  { title: 'writes/phase', cell: (row: FleetResult) => figure(row.writesPerPhase) },
  { title: 'progress/training', cell: (row: FleetResult) => figure(row.progressPerTraining) },
  { title: 'requests/training', cell: (row: FleetResult) => figure(row.requestsPerTraining) },
  { title: 'CPU s/training', cell: (row: FleetResult) => figure(row.cpuSecondsPerTraining) },
  { title: 'CPU ms beside', cell: ({ cpuSecondsBeside }: FleetResult) => figure(cpuSecondsBeside && cpuSecondsBeside * 1000) },
  { title: 'MiB', cell: (row: FleetResult) => figure(row.peakBytes / 2 ** 20) },
  { title: 'fail-over s', cell: (row: FleetResult) => figure(row.failOverSeconds) },
  { title: 'reconcile p99 ms', cell: ({ reconcile }: FleetResult) => figure(reconcile && reconcile.p99 * 1000) },
];

const METRICS_COLUMNS = [
  { title: 'trainings', cell: (row: MetricsResult) => String(row.trainings) },
  { title: 'samples', cell: (row: MetricsResult) => String(row.samples) },
  { title: 'MB', cell: (row: MetricsResult) => figure(row.megabytes) },
  { title: 'seconds', cell: (row: MetricsResult) => figure(row.seconds) },
  { title: 'longest block, ms', cell: (row: MetricsResult) => figure(row.longestBlockMilliseconds) },
];

const MEMORY_COLUMNS = [
  {
    title: 'case',
    cell: ({ width, finalResolution, resolution, minibatch, precision }: MemoryResult) =>
      `${width} ${resolution} of ${finalResolution}, ${minibatch} ${precision === 'Float32' ? 'fp32' : 'bf16'}`,
  },
  { title: 'GB', cell: (row: MemoryResult) => gigabytes(row.measuredBytes) },
  { title: 'estimated', cell: (row: MemoryResult) => gigabytes(row.estimatedBytes) },
  { title: 'estimated/measured', cell: (row: MemoryResult) => figure(row.estimatedOverMeasured) },
];

const DATA_COLUMNS = [
  { title: 'case', cell: (row: DataResult) => `${row.resolution}x${row.resolution}, ${row.minibatch} at a time` },
  { title: 's/kimg', cell: (row: DataResult) => figure(row.secondsPerKimg) },
  { title: 'images/s read', cell: (row: DataResult) => figure(row.imagesReadPerSecond) },
  { title: 'MB/s read', cell: (row: DataResult) => figure(row.megabytesReadPerSecond) },
  { title: 'tf.data s/kimg', cell: (row: DataResult) => figure(row.twin?.secondsPerKimg) },
  { title: 'time/tf.data', cell: (row: DataResult) => figure(row.timeOverTwin) },
];

const CHECKPOINT_STORE_COLUMNS = [
  { title: 'case', cell: (row: CheckpointStoreResult) => `${row.resolution}x${row.resolution}, ${gigabytes(row.bytes)} GB, MinIO` },
  { title: 'save MB/s', cell: (row: CheckpointStoreResult) => figure(row.saveMegabytesPerSecond) },
  { title: 'curl up', cell: (row: CheckpointStoreResult) => figure(row.curlUploadMegabytesPerSecond) },
  { title: 'of curl', cell: (row: CheckpointStoreResult) => percent(row.saveOverCurl) },
  { title: 'load MB/s', cell: (row: CheckpointStoreResult) => figure(row.loadMegabytesPerSecond) },
  { title: 'curl down', cell: (row: CheckpointStoreResult) => figure(row.curlDownloadMegabytesPerSecond) },
  { title: 'of curl', cell: (row: CheckpointStoreResult) => percent(row.loadOverCurl) },
  { title: 'dd write', cell: (row: CheckpointStoreResult) => figure(row.ddWriteMegabytesPerSecond) },
  { title: 'extra GB', cell: (row: CheckpointStoreResult) => gigabytes(row.extraBytesWhileSaving) },
];

const CHECKPOINT_COLUMNS = [
  { title: 'case', cell: (row: CheckpointResult) => `${row.resolution}x${row.resolution}, ${gigabytes(row.bytes)} GB` },
  { title: 'stall s', cell: (row: CheckpointResult) => figure(row.stallSeconds) },
  { title: 'longest', cell: (row: CheckpointResult) => figure(row.longestStallSeconds) },
  { title: 'CPU s', cell: (row: CheckpointResult) => figure(row.stallCpuSeconds) },
  { title: 'save s', cell: (row: CheckpointResult) => figure(row.saveSeconds) },
  { title: 'dd write s', cell: (row: CheckpointResult) => figure(row.ddWriteSeconds) },
  { title: 'time/dd', cell: (row: CheckpointResult) => figure(row.saveOverDd) },
  { title: 'load s', cell: (row: CheckpointResult) => figure(row.loadSeconds) },
  { title: 'dd read s', cell: (row: CheckpointResult) => figure(row.ddReadSeconds) },
  { title: 'time/dd', cell: (row: CheckpointResult) => figure(row.loadOverDd) },
  { title: 'extra GB', cell: (row: CheckpointResult) => gigabytes(row.extraBytes) },
];

const STEP_COLUMNS = [
  { title: 'case', cell: (row: StepResult) => nameOf(row) },
  { title: 's/kimg', cell: (row: StepResult) => figure(row.secondsPerKimg) },
  { title: 'GFLOP/s', cell: (row: StepResult) => figure(row.gflops) },
  { title: 'of peak', cell: (row: StepResult) => percent(row.shareOfPeak) },
  { title: 'peak GFLOP/s', cell: (row: StepResult) => figure(row.peakGflops) },
  { title: 'GB', cell: (row: StepResult) => gigabytes(row.peakBytes) },
  { title: 'first s', cell: (row: StepResult) => figure(row.firstSeconds) },
  { title: 'twin s/kimg', cell: (row: StepResult) => figure(row.twin?.secondsPerKimg) },
  { title: 'twin GB', cell: (row: StepResult) => gigabytes(row.twin?.peakBytes) },
  { title: 'XLA', cell: (row: StepResult) => (row.twin ? (row.twin.xla ? 'on' : 'off') : '-') },
  { title: 'time/twin', cell: (row: StepResult) => figure(row.timeOverTwin) },
];

function nameOf({ width, resolution, precision, mode, minibatch, microbatch }: StepCase): string {
  return `${width} ${resolution}x${resolution} ${precision === 'Float32' ? 'fp32' : 'bf16'} ${mode}${microbatch ? ` ${minibatch} in ${microbatch}s` : ''}`;
}

await program.parseAsync();
