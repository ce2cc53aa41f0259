/** The logs of a run: lines gathered between checkpoints, kept as segments that checkpoints name, joined for readers. */
import { type CheckpointManifest, digestOf, type LogSegment } from '../checkpoint/format.ts';
import { findNewestCheckpoint } from '../checkpoint/load-checkpoint.ts';
import type { Store } from '../checkpoint/store.ts';
import { measuredLine, metricsLine, type Tick, tickLine } from './log.ts';

export const LOG = 'log.txt';
export const METRICS = 'metrics.jsonl';

export type RunLog = {
  /** Adds a line to log.txt. */
  line(text: string): void;
  /** Adds a tick to log.txt and metrics.jsonl. */
  tick(tick: Tick): void;
  /** The lines that no checkpoint holds yet, as `saveCheckpoint` takes them; one checkpoint at a time. */
  pending(): PendingLines;
  /** log.txt and metrics.jsonl with all lines so far, as readers find them in the run folder; never read back. */
  whole(): Readonly<Record<string, string>>;
};

type PendingLines = {
  readonly logs: Readonly<Record<string, string>>;
  /** To be called when the checkpoint is saved. Lines that came in the meantime stay pending. */
  committed(): void;
};

/**
 * The logs of a run that goes on after `history` (joinLogs of the checkpoint resumed from; empty for a new run).
 * @param echo receives every line of log.txt as it comes, for a terminal
 */
export function runLog(history: Readonly<Record<string, string>>, echo: (line: string) => void): RunLog {
  const committed: Record<string, string> = { [LOG]: '', [METRICS]: '', ...history };
  const fresh: Record<string, string> = { [LOG]: '', [METRICS]: '' };

  const add = (log: string, text: string): void => {
    fresh[log] = `${fresh[log] ?? ''}${text}\n`;
  };
  const line = (text: string): void => {
    add(LOG, text);
    echo(text);
  };
  return {
    line,
    tick(tick) {
      line(tickLine(tick));
      if (tick.metrics) line(measuredLine(tick.metrics));
      add(METRICS, metricsLine(tick));
    },
    pending() {
      const logs = { ...fresh };
      let done = false;
      return {
        logs,
        committed() {
          if (done) return;
          done = true;
          for (const [log, text] of Object.entries(logs)) {
            committed[log] = `${committed[log] ?? ''}${text}`;
            fresh[log] = (fresh[log] ?? '').slice(text.length);
          }
        },
      };
    },
    whole: () => Object.fromEntries(Object.keys(committed).map((log) => [log, `${committed[log] ?? ''}${fresh[log] ?? ''}`])),
  };
}

/**
 * The logs up to a checkpoint (the newest by default), by name, from the segments that it names. `warn` hears of a segment that is missing
 * or damaged: lines that are lost are no reason to lose the weights that belong to them.
 */
export async function joinLogs(
  store: Store,
  manifest: CheckpointManifest | undefined,
  warn: (problem: string) => void,
): Promise<Readonly<Record<string, string>>> {
  const segments = (manifest ?? (await findNewestCheckpoint(store))?.checkpoint.manifest)?.segments ?? [];
  const joined: Record<string, string> = {};
  for (const segment of segments) joined[segment.log] = (joined[segment.log] ?? '') + (await readSegment(store, segment, warn));
  return joined;
}

async function readSegment(store: Store, { log, key, size, sha256 }: LogSegment, warn: (problem: string) => void): Promise<string> {
  const bytes = await store.read(key);
  if (bytes && digestOf([bytes]).sha256 === sha256) return bytes.toString();
  const problem = bytes ? `differs from the ${size} bytes that were saved` : 'is missing';
  warn(`${key} in ${store.uri} ${problem}: its lines are lost to ${log}`);
  return '';
}
