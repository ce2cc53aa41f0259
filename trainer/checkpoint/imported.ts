/** run.json of a folder that was imported and not trained here: it says what the networks are, and that nothing else is known. */
import { z } from 'zod';
import { networkOptions } from '../../crds/run.ts';
import type { NetworkShape } from '../networks/weights.ts';
import type { RunClaim } from './run-folder.ts';

/** The `options` in run.json. */
export const importedOptions = z.strictObject({
  version: z.literal(1),
  kind: z.literal('import'),
  network: networkOptions,
  resolution: z.number().int(),
  labelSize: z.number().int().nonnegative(),
});

/** Snapshots of equal networks may share a folder, as those of one run do. */
export function importClaim(shape: NetworkShape, software: RunClaim['software']): RunClaim {
  const { resolution, labelSize, ...network } = shape;
  const options = importedOptions.parse({ version: 1, kind: 'import', network, resolution, labelSize });
  return { parts: options, options, software, data: { label: 'unknown', images: 0 } };
}
