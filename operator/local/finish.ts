/** The end of a training: where its pictures are, two numbers that guard against fooling oneself, and what to do next. */
import { existsSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { z } from 'zod';
import type { StopWish } from './drive.ts';
import { isRemote, type Place } from './places.ts';
import type { TrainingState } from './state.ts';
import { runTrainer } from './subprocess.ts';

const report = z.object({
  moments: z.object({ meanCorrelation: z.number(), spreadRatio: z.number(), fakes: z.number(), reals: z.number() }),
});
export type Moments = z.infer<typeof report>['moments'];

/** The least correlation of the mean fake with the mean real that counts as having learned the subject. */
const LEAST_CORRELATION = 0.9;
/** The spread of fakes, as a share of the reals', within which they vary as the reals do: below it they resemble one another (collapse). */
const SPREAD = { least: 0.5, most: 2 } as const;

/** The lines that end a finished training. */
export async function conclusion(place: Place, state: TrainingState, stop: StopWish): Promise<readonly string[]> {
  const moments = await measure(isRemote(place) ? place.uri : place.folder, state, stop);
  // A run that was complete before this start has drawn nothing that was heard of.
  const found = pictures(place, state);
  const phantom = state.data.startsWith('phantom') ? ' (of phantoms, not of patients)' : '';
  return [
    `Finished: ${state.status?.totalKimg ?? state.spec.totalKimg} kimg at up to ${state.spec.resolution}x${state.spec.resolution}, from ${state.data}.`,
    `Pictures${phantom}:`,
    ...(found.length > 0 || !isRemote(place) ? found : [`${place.uri}/samples/`]).map((file) => `  ${file}`),
    ...(typeof moments === 'string' ? [`The two checks could not be made: ${moments}`] : verdicts(moments)),
    'Next, synthetic images:',
    `  npx pggan synthesize ${shown(place.folder)} --num-pngs 32`,
  ];
}

/** Both numbers, each with what it means. */
export function verdicts({ meanCorrelation, spreadRatio, fakes, reals }: Moments): readonly string[] {
  const learned =
    meanCorrelation >= LEAST_CORRELATION ? 'good: it has learned the subject' : `poor: below ${LEAST_CORRELATION}, train longer`;
  const varied = variety(spreadRatio);
  return [
    `Mean of ${fakes} fakes against the mean of ${reals} reals: correlation ${meanCorrelation.toFixed(3)} (${learned})`,
    `Spread of the fakes against that of the reals: ${spreadRatio.toFixed(2)} (${varied})`,
  ];
}

function variety(spreadRatio: number): string {
  if (spreadRatio < SPREAD.least) return `poor: below ${SPREAD.least}, the fakes resemble one another too much`;
  return spreadRatio > SPREAD.most ? `poor: above ${SPREAD.most}, the fakes vary more than radiographs do` : 'good: no collapse';
}

/** The newest grid of fakes, the growth figure and the reals, as paths that can be typed; of a run in a bucket, its newest picture. */
export function pictures(place: Place, { progress }: TrainingState): readonly string[] {
  if (isRemote(place)) return progress?.picture === undefined ? [] : [`${place.uri}/${progress.picture}`];
  const samples = join(place.folder, 'samples');
  const files = existsSync(samples) ? readdirSync(samples).sort() : [];
  const newest = files.filter((file) => /^fakes\d+\.png$/.test(file)).at(-1);
  const wanted = [
    ...files.filter((file) => file === 'growth.png'),
    ...(newest === undefined ? [] : [newest]),
    ...files.filter((file) => file === 'reals.png'),
  ];
  return wanted.map((file) => shown(join(samples, file)));
}

/** A path relative to where the person is, unless that is longer. */
export function shown(path: string): string {
  const short = relative(process.cwd(), path);
  return short !== '' && short.length < path.length ? short : path;
}

/** The moments of 1,000 fakes and of the reals; or why there are none. */
async function measure(run: string, { spec: { store } }: TrainingState, stop: StopWish): Promise<Moments | string> {
  if (stop.reason !== undefined) return 'it was to stop';
  // Commands are told by these how s3:// is reached; a trainer, by its run document.
  const reach = { ...(store && { AWS_ENDPOINT_URL_S3: store.endpoint }), ...(store?.region !== undefined && { AWS_REGION: store.region }) };
  const args = ['evaluate', run, '--metrics', 'moments', '--json'];
  const { exitCode, stdout, stderr } = await runTrainer(args, 'captured', stop, reach);
  if (exitCode === undefined) return 'it was to stop';
  if (exitCode !== 0) return stderr.trim().split('\n').at(-1) ?? `evaluate ended with ${exitCode}`;
  const parsed = report.safeParse(attempt(() => JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as unknown));
  return parsed.success ? parsed.data.moments : 'evaluate printed no moments';
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
