/** The last words about an object: what came of it, what was saved, and what a person can do now. */
import { join } from 'node:path';
import { ERRORS, type ErrorCode, EXIT, PgganError } from '../../crds/errors.ts';
import type { Progress } from '../../crds/progress.ts';
import { ANSWER } from '../training/stall.ts';
import type { Outcome, StopWish } from './drive.ts';
import { conclusion, shown } from './finish.ts';
import type { Ended } from './jobs.ts';
import { lastDocument } from './observe.ts';
import { isRemote, type Place } from './places.ts';
import type { Screen } from './render.ts';
import type { Result } from './run-object.ts';
import type { RunState } from './state.ts';

/** Says what a stop will take when it is wished, until what is returned is called. */
export function announceStop(stop: StopWish, screen: Screen, how: string): () => void {
  return stop.onRaise(() => screen.line(`Stopping: ${how}.`));
}

/** Says it, and returns the outcome. @throws {PgganError} where a person must mend something */
export async function report(
  { outcome, state, last }: Result<RunState>,
  place: Place,
  { screen, stop }: { readonly screen: Screen; readonly stop: StopWish },
): Promise<Outcome> {
  switch (outcome) {
    case 'succeeded':
      if (state.kind === 'PGGANTraining') for (const line of await conclusion(place, state, stop)) screen.line(line);
      else {
        const where = isRemote(place) ? place.uri : shown(place.folder);
        screen.line(`Finished: ${state.spec.count} synthetic images in ${where}. They are for research, not for diagnosis.`);
      }
      return outcome;
    case 'stopped':
      screen.line(`Stopped; ${lost(state.progress, last)}. The same command goes on where this one ended.`);
      screen.line(`Where that is: npx pggan status ${shown(place.folder)}`);
      return outcome;
    case 'suspended':
      screen.line('spec.suspend is true: set it to false and start again to go on.');
      return outcome;
    case 'stalled':
      throw stalledError(place.folder, state, last);
  }
}

/** What a stop has cost. Only a process that ended as asked has saved all that it had done. */
export function lost(progress: Progress | undefined, last: Ended | undefined): string {
  if (last === undefined || last.exitCode === EXIT.complete || last.exitCode === EXIT.stopped || progress?.kind !== 'training')
    return 'nothing is lost';
  // A trainer that has begun ends by its own will: this one was stopped before, and had done nothing.
  if (last.signal === 'SIGTERM') return 'nothing is lost';
  const { images } = progress;
  const saved = progress.checkpoint?.images ?? 0;
  const why = lastDocument(last)?.failure?.message ?? last.said;
  const what = images > saved ? `what came after ${(saved / 1000).toFixed(1)} kimg is lost` : 'nothing that is known of is lost';
  return `but the trainer could not save at its end, so ${what} (${why})`;
}

/** What a person must mend, with the code and the exit code that the trainer had for it. */
function stalledError(folder: string, { status }: RunState, last: Ended | undefined): PgganError {
  const stalled = status?.conditions.find(({ type }) => type === 'Stalled');
  const waiting = status?.conditions.find(({ type }) => type === 'Progressing');
  const said = (stalled ?? waiting)?.message ?? 'see the log';
  const failure = lastDocument(last)?.failure;
  const log = `(log: ${shown(join(folder, 'trainer.log'))})`;
  if (waiting?.reason === 'WaitingForTraining')
    return new PgganError(
      'ManifestInvalid',
      `${said.replace(/[.]$/, '')}, and nothing trains it at the moment: start that training first, or set spec.waitForTraining to false to draw from its newest checkpoint`,
    );
  if (failure && failure.code in ERRORS && !stalled)
    return new PgganError(failure.code as ErrorCode, `${failure.message}. Then start it again ${log}`);
  const code =
    stalled?.reason === 'Invalid' && failure && failure.code in ERRORS ? (failure.code as ErrorCode) : CODES[stalled?.reason ?? ''];
  const message = said.replace(new RegExp(`[,;:]? ?${ANSWER}`), '');
  return new PgganError(code ?? 'TrainingFailed', `${message}. Then start it again ${log}`);
}

const CODES: Readonly<Record<string, ErrorCode>> = {
  Invalid: 'OptionsInvalid',
  InvalidSpec: 'ManifestInvalid',
  FingerprintMismatch: 'FingerprintMismatch',
  DoesNotFit: 'DoesNotFit',
};
