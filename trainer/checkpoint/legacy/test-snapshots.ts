/** Snapshots for tests, pickled by Python's own pickle module and NumPy: sound ones in every protocol, and ones that are wrong in one respect. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { judge } from '../../../test/harness/judge.ts';
import { NETWORK_DEFAULTS } from '../../../crds/run.ts';
import { discriminatorWeights, generatorWeights, type NetworkShape } from '../../networks/weights.ts';

export const TINY: NetworkShape = { ...NETWORK_DEFAULTS, fmapBase: 16, fmapMax: 8, latentSize: 8, resolution: 8, labelSize: 2 };
export const TINY_LOD = 0.25;

export type PythonSnapshots = {
  /** A file by its name, such as `numpy1-protocol4` or one of the damages. */
  readonly read: (name: string) => Buffer;
  readonly path: (name: string) => string;
  readonly folder: string;
  /** SHA-256 of the bytes of every array, by network and name, as Python computed it. */
  readonly digests: Readonly<Record<'G' | 'D' | 'Gs', Readonly<Record<string, string>>>>;
};

/** Writes them into a folder that is removed after the test; undefined where Python's judges are absent and the test is skipped. */
export function pythonSnapshots(t: TestContext): PythonSnapshots | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'pggan-snapshots-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const tables = Object.fromEntries(
    Object.entries({ G: generatorWeights(TINY), D: discriminatorWeights(TINY) }).map(([network, specs]) => [
      network,
      specs.map(({ name, shape }) => [name, shape]),
    ]),
  );
  const said = judge(t, readFileSync(join(import.meta.dirname, 'test-snapshots.py'), 'utf8'), [
    folder,
    JSON.stringify(tables),
    String(TINY_LOD),
  ]);
  if (said === undefined) return undefined;
  const path = (name: string): string => join(folder, `${name}.pkl`);
  return { folder, path, read: (name) => readFileSync(path(name)), digests: JSON.parse(said) as PythonSnapshots['digests'] };
}
