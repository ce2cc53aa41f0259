/** Which software this is, for whatever it writes. */
import { readFileSync } from 'node:fs';
import { asError } from '../crds/errors.ts';

/** Versions by name: this package and Node, with the reason where the first could not be read. */
export function softwareVersions(): Readonly<Record<string, string>> {
  try {
    const { name, version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
      name: string;
      version: string;
    };
    return { [name]: version, node: process.version };
  } catch (error) {
    return { node: process.version, note: `package.json could not be read: ${asError(error).message}` };
  }
}
