/** What a person sees while something runs: on a terminal a bar that stays at the bottom, elsewhere plain lines. */
import { join } from 'node:path';
import type { TrainingProgress } from '../../crds/progress.ts';
import { shown } from './finish.ts';
import { isRemote, type Place } from './places.ts';
import type { SynthesisState, TrainingState } from './state.ts';
import { barLine, joined, shareDone, synthesisParts, trainingParts } from './words.ts';

export type Screen = {
  /** A line that stays. */
  line(text: string): void;
  /** The line at the bottom, made for the terminal's width and rewritten in place; only a terminal shows it. */
  live(view: View | undefined): void;
  readonly isTerminal: boolean;
};

/** A line of at most so many characters. */
type View = (columns: number) => string;

export type Output = { write(text: string): unknown; readonly isTTY?: boolean; readonly columns?: number };

export function createScreen(output: Output): Screen {
  const isTerminal = output.isTTY === true;
  let view: View | undefined;
  // The last column stays free: some terminals break the line after it.
  const draw = (): unknown => view && output.write(`${CLEAR}${view((output.columns ?? 80) - 1)}`);
  return {
    isTerminal,
    line(text) {
      output.write(`${view ? CLEAR : ''}${text}\n`);
      draw();
    },
    live(next) {
      if (!isTerminal) return;
      if (view && !next) output.write(CLEAR);
      view = next;
      draw();
    },
  };
}

/** To the beginning of the line, which is emptied. */
const CLEAR = '\r\u001b[2K';

/** Tells of a training as its state changes: phases as they begin and end, ticks where there is no bar, and what went wrong. */
export function trainingTeller(screen: Screen, place: Place): (state: TrainingState) => void {
  let reason = '';
  let tick = -1;
  let complete: number | undefined;
  let running = 0;
  const failuresTold = new Map<string, number>();
  const tellTick = (progress: TrainingProgress, spec: TrainingState['spec']): void => {
    if (!screen.isTerminal && progress.tick !== tick && progress.losses) screen.line(joined(trainingParts(progress, spec)));
    tick = progress.tick;
  };
  return (state) => {
    const { status, progress, spec } = state;
    const progressing = status?.conditions.find((condition) => condition.type === 'Progressing');
    const done = (status?.phases ?? []).filter((phase) => phase.state === 'Complete');
    for (const phase of done.slice(complete ?? done.length)) {
      if (progress?.resolution === phase.resolution) tellTick(progress, spec);
      const picture = progress?.picture === undefined ? '' : `: ${pictureAt(place, progress.picture)}`;
      screen.line(`${phase.resolution}x${phase.resolution} is complete at ${(phase.endImages / 1000).toFixed(1)} kimg${picture}`);
    }
    // Phases that an earlier run completed are not news; they are known once the preflight is.
    if (status?.preflight.state === 'Complete') complete = done.length;
    const next = status?.phases.find((phase) => phase.state === 'Running');
    if (next && next.resolution !== running) {
      running = next.resolution;
      const span = `${(next.startImages / 1000).toFixed(1)} to ${(next.endImages / 1000).toFixed(1)} kimg`;
      screen.line(`${running}x${running}: ${span}${state.data.startsWith('phantom') ? ' on phantoms' : ''}`);
    }
    if (progressing && progressing.reason !== reason) {
      reason = progressing.reason;
      if (['StoreUnavailable', 'StoreFull', 'NodeLost', 'NoProgress'].includes(reason)) screen.line(progressing.message);
    }
    const job = next?.job;
    if (job && job.failures > 0 && failuresTold.get(job.uid) !== job.failures) {
      failuresTold.set(job.uid, job.failures);
      screen.line(
        `the trainer ended unexpectedly (${job.failures} of at most ${spec.maxRestarts} times); it goes on from its last checkpoint`,
      );
    }
    // A document of the phase before says nothing about this one.
    if (!progress || progress.resolution !== next?.resolution) return;
    screen.live((columns) => barLine(shareDone(progress, spec), trainingParts(progress, spec), columns));
    tellTick(progress, spec);
  };
}

const pictureAt = (place: Place, key: string): string => (isRemote(place) ? `${place.uri}/${key}` : shown(join(place.folder, key)));

/** Tells of a synthesis as it advances; without a terminal, a line per tenth. */
export function synthesisTeller(screen: Screen): (state: SynthesisState) => void {
  let tenth = 0;
  let waiting = false;
  return (state) => {
    const progressing = state.status?.conditions.find((condition) => condition.type === 'Progressing');
    const waits = progressing?.reason === 'WaitingForTraining';
    if (waits && !waiting) screen.line(`${progressing.message} Waiting for it; Ctrl-C ends.`);
    waiting = waits;
    const share = (state.status?.imagesDone ?? 0) / state.spec.count;
    const parts = synthesisParts(state);
    screen.live((columns) => barLine(share, parts, columns));
    if (!screen.isTerminal && Math.floor(share * 10) > tenth) screen.line(joined(parts));
    tenth = Math.floor(share * 10);
  };
}
