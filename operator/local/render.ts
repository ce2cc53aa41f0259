/** What a person sees while something runs: on a terminal a bar that stays at the bottom, elsewhere plain lines. */
import { join } from 'node:path';
import type { TrainingProgress } from '../../crds/progress.ts';
import { shown } from './finish.ts';
import type { SynthesisState, TrainingState } from './state.ts';
import { bar, shareDone, synthesisLine, trainingLine } from './words.ts';

export type Screen = {
  /** A line that stays. */
  line(text: string): void;
  /** The line at the bottom, rewritten in place; only a terminal shows it. */
  live(text: string | undefined): void;
  readonly isTerminal: boolean;
};

export type Output = { write(text: string): unknown; readonly isTTY?: boolean; readonly columns?: number };

export function createScreen(output: Output): Screen {
  const isTerminal = output.isTTY === true;
  let shown = '';
  const draw = (text: string): void => {
    if (!isTerminal || (shown === '' && text === '')) return;
    shown = text.slice(0, (output.columns ?? 80) - 1);
    output.write(`\r\u001b[2K${shown}`);
  };
  return {
    isTerminal,
    line(text) {
      const below = shown;
      draw('');
      output.write(`${text}\n`);
      draw(below);
    },
    live: (text) => draw(text ?? ''),
  };
}

/** Tells of a training as its state changes: phases as they begin and end, ticks where there is no bar, and what went wrong. */
export function trainingTeller(screen: Screen, folder: string): (state: TrainingState) => void {
  let reason = '';
  let tick = -1;
  let complete: number | undefined;
  let running = 0;
  const failuresTold = new Map<string, number>();
  const warningsTold = new Set<string>();
  const tellTick = (progress: TrainingProgress, spec: TrainingState['spec']): void => {
    if (!screen.isTerminal && progress.tick !== tick && progress.losses) screen.line(trainingLine(progress, spec));
    tick = progress.tick;
  };
  return (state) => {
    const { status, progress, spec } = state;
    // Every process of a run repeats them: a slow backend, a damaged checkpoint.
    for (const warning of progress?.warnings ?? []) {
      if (!warningsTold.has(warning)) screen.line(`warning: ${warning}`);
      warningsTold.add(warning);
    }
    const progressing = status?.conditions.find((condition) => condition.type === 'Progressing');
    const done = (status?.phases ?? []).filter((phase) => phase.state === 'Complete');
    for (const phase of done.slice(complete ?? done.length)) {
      if (progress?.resolution === phase.resolution) tellTick(progress, spec);
      const picture = progress?.picture === undefined ? '' : `; newest picture: ${shown(join(folder, progress.picture))}`;
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
    screen.live(`${bar(shareDone(progress, spec), 20)} ${trainingLine(progress, spec)}`);
    tellTick(progress, spec);
  };
}

/** Tells of a synthesis as it advances; without a terminal, a line per tenth. */
export function synthesisTeller(screen: Screen): (state: SynthesisState) => void {
  let tenth = 0;
  return (state) => {
    const share = (state.status?.imagesDone ?? 0) / state.spec.count;
    const text = synthesisLine(state);
    screen.live(`${bar(share, 20)} ${text}`);
    if (!screen.isTerminal && Math.floor(share * 10) > tenth) screen.line(text);
    tenth = Math.floor(share * 10);
  };
}
