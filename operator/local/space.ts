/** Whether a run will find room on its disk, asked before it starts. */
import { readdirSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { PgganError } from '../../crds/errors.ts';
import type { Estimate } from '../../crds/estimate.ts';
import { size } from '../../crds/text.ts';

/** Checks the disk of a run folder, which is there already. What the run has written before counts as found. @throws {PgganError} StoreFull */
export function refuseFullDisk(folder: string, expected: Estimate, warn: (message: string) => void): void {
  const { bavail, bsize } = statfsSync(folder);
  const said = shortage(bavail * bsize, bytesIn(folder), expected);
  if (said.kind === 'refuse') throw new PgganError('StoreFull', `${folder}: ${said.message}`);
  if (said.kind === 'warn') warn(said.message);
}

export type Shortage = { readonly kind: 'none' } | { readonly kind: 'warn' | 'refuse'; readonly message: string };

/** Without room for one checkpoint nothing could be saved; with less than all that is to come it may end before its end. */
export function shortage(
  freeBytes: number,
  usedBytes: number,
  { diskBytes, checkpointBytes }: Pick<Estimate, 'diskBytes' | 'checkpointBytes'>,
): Shortage {
  const leftBytes = diskBytes - usedBytes;
  if (freeBytes < checkpointBytes) {
    return {
      kind: 'refuse',
      message: `its disk has ${size(freeBytes)} left, and one checkpoint takes ${size(checkpointBytes)}: free some space, or name a folder on another disk with --output`,
    };
  }
  if (freeBytes >= leftBytes) return { kind: 'none' };
  return {
    kind: 'warn',
    message: `the disk has ${size(freeBytes)} left, but the run will take about ${size(leftBytes)} more: it will stop when there is no room for a checkpoint`,
  };
}

function bytesIn(folder: string): number {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).reduce(
    (sum, name) => sum + (statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0),
    0,
  );
}
