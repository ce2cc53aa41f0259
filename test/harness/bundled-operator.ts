/** The operator as its image runs it: one file, of which nothing has to be compiled. It takes some 55 MiB less than the sources do. */
import { join } from 'node:path';
import { bundleOperator } from '../../scripts/image/programs.mjs';

const ROOT = join(import.meta.dirname, '../..');

/** Makes the file in `folder`; returns its path. */
export function bundledOperator(folder: string): string {
  bundleOperator(ROOT, folder);
  return join(folder, 'app/operator.mjs');
}
