/** The project's own images, as `npm run images` has built them from the sources as they are. */
import { existsSync, readFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { type ImageName, imageArchive } from '../../scripts/images.mjs';
import { lacking } from './lacking.ts';

export type Image = {
  readonly name: string;
  readonly archive: string;
  /** Of its manifest. */
  readonly digest: string;
  /** Bytes of all its files. */
  readonly size: number;
};

/** Where an image has not been built the test is skipped with the reason and undefined is returned; with CI=true that is a failure. */
export function image(t: Pick<TestContext, 'skip'>, name: ImageName): Image | undefined {
  const { archive, tag } = imageArchive(name);
  if (!existsSync(archive)) return lacking(t, `${tag} has not been built from these sources (npm run images -- ${name})`);
  const { digest, size } = JSON.parse(readFileSync(`${archive}.json`, 'utf8')) as { readonly digest: string; readonly size: number };
  return { name: tag, archive, digest, size };
}
