/** Names for what is still being written: they tell who writes it, so that what a dead writer left can be told from what a living one needs. */
import { randomBytes } from 'node:crypto';
import { livenessOf, thisProcess } from './process-identity.ts';

/** The folder, at the root of a store, of what is unfinished. Keys cannot begin with a dot, so none can lie in it. */
export const UNFINISHED = '.unfinished';

/** A writer on another machine that has not touched what it writes for this long is dead. */
const ABANDONED_MS = 60 * 60 * 1000;

/** A name that no other writer gives. */
export function unfinishedName(): string {
  const { place, pid, startTime } = thisProcess();
  return `${place}-${pid}-${startTime}-${randomBytes(6).toString('hex')}`;
}

/** Whether the writer is gone; `touchedMs`, the time of the last change, is asked for only where that decides. */
export async function isAbandoned(name: string, touchedMs: () => Promise<number> | number): Promise<boolean> {
  const [place = '', pid, startTime] = name.split('-');
  const life = livenessOf({ place, pid: Number(pid), startTime: Number(startTime) });
  return life === 'elsewhere' ? Date.now() - (await touchedMs()) > ABANDONED_MS : life === 'dead';
}
