/** The images that an earlier process of the same job has made: each is read, and taken only if it is whole and says that it is this job's. */
import { decode } from 'fast-png';
import { asError } from '../../crds/errors.ts';
import { digestOf } from '../checkpoint/format.ts';
import type { Store } from '../checkpoint/store.ts';
import { type Identity, identityOf, imageKey, otherThan } from './image.ts';
import type { ManifestImage } from './manifest.ts';
import type { OpenGenerator } from './open-generator.ts';
import { sideOf } from './pixels.ts';

/** Told after each image: looking through thousands takes minutes, in which the process is alive, and may be asked to stop. */
export type Watch = { readonly step: () => void; readonly stop: { readonly requested: boolean } };

export type Existing = {
  readonly images: Map<number, ManifestImage>;
  /** Why an image that is there is not taken, in words. */
  readonly refused: readonly string[];
};

/**
 * One request per image that is there; a restart after 6,300 images of 512x512 reads them all. Ends early where a stop is requested: what was
 * not looked at is then missing. @throws {PgganError} of the store
 */
export async function existingImages(
  store: Store,
  run: Parameters<typeof identityOf>[0],
  generator: Pick<OpenGenerator, 'shape' | 'checkpoint'>,
  wanted: readonly number[],
  { step, stop }: Watch,
): Promise<Existing> {
  const present = new Set((await store.list('images/')).map(({ key }) => key));
  const images = new Map<number, ManifestImage>();
  const refused: string[] = [];
  for (const index of wanted) {
    const file = imageKey(index);
    const bytes = present.has(file) ? await store.read(file) : undefined;
    if (stop.requested) break;
    if (!bytes) continue;
    step();
    const reason = whyNot(bytes, sideOf(run, generator.shape), identityOf(run, generator, index));
    if (reason === undefined) images.set(index, { index, file, sha256: digestOf([bytes]).sha256 });
    else refused.push(`${file} in ${store.uri} ${reason}`);
  }
  return { images, refused };
}

/** Every chunk of a PNG carries a checksum, its pixels a second one. */
function whyNot(bytes: Uint8Array, side: number, identity: Identity): string | undefined {
  try {
    const [width, height] = pixelsOf(bytes);
    if (width !== side || height !== side) return `has ${width}x${height} pixels instead of ${side}x${side}`;
    const other = otherThan(identity, decode(bytes, { checkCrc: true }).text);
    return other && `is another image: ${other}`;
  } catch (error) {
    return `is damaged (${asError(error).message})`;
  }
}

/** By the header (PNG, 11.2.1), before memory is taken for as many as a stranger's file may claim. @throws {RangeError} where there is none */
function pixelsOf(bytes: Uint8Array): readonly [width: number, height: number] {
  const header = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return [header.getUint32(16), header.getUint32(20)];
}
