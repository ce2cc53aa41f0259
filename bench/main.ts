/** `npm run bench -- step|data|checkpoint [--json]`: measures, prints a table or lines of JSON, judges nothing. */
import { cpus } from 'node:os';
import { Command, InvalidArgumentError, Option } from 'commander';
import { stepCases, type Filter, type StepCase } from './cases.ts';
import { figure, gigabytes, percent, printer } from './report.ts';
import { measureStep, type StepResult, type StepRunOptions } from './step.ts';

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const note = (text: string): void => void process.stderr.write(`${text}\n`);
const whole = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('a whole number above 0 is wanted');
  return value;
};
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

function nameOf({ width, resolution, precision, mode }: StepCase): string {
  return `${width} ${resolution}x${resolution} ${precision === 'Float32' ? 'fp32' : 'bf16'} ${mode}`;
}

await program.parseAsync();
