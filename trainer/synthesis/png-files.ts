/** Images as PNG files, one by one: what an earlier process has made is taken up if the journal or the image itself says that it is this job's. */
import { decode } from 'fast-png';
import { asError } from '../../crds/errors.ts';
import { eachOf } from '../checkpoint/each-of.ts';
import { digestOf } from '../checkpoint/format.ts';
import { type Identity, identityOf, imageKey, imagePng, otherThan } from './image.ts';
import type { ImageFiles, Keeping } from './image-files.ts';
import { type Entry, isUnchanged } from './journal.ts';

/** Images of which a kill may lose the note, and which are then read again: at 512x512 some 80 MB. */
export const BLOCK_IMAGES = 500;
/** Files that are written at once: a store takes its time for each, whatever its size. */
const AT_ONCE = 8;

export async function pngFiles({ store, run, generator, shard, journal, side }: Keeping): Promise<ImageFiles> {
  const present = new Map((await store.list('images/')).map((found) => [found.key, found]));
  /** The block that images are being added to. */
  let open: { readonly block: number; readonly entries: Map<number, Entry> } | undefined;
  const flush = async (): Promise<void> => {
    if (open) await journal.write(open.block, open.entries.values());
    open = undefined;
  };

  const writeImage = async (index: number, pixels: Uint8Array): Promise<Entry> => {
    const { shape, record } = generator;
    const png = imagePng(pixels, { side, channels: shape.channels }, record, identityOf(run, generator, index));
    const file = imageKey(index);
    const written = await store.write(file, [png]);
    return { index, file, ...digestOf([png]), version: written?.version ?? '' };
  };

  return {
    async takeUp(block, { step, stop, warn }) {
      const noted = await journal.read(block);
      const taken = new Map<number, Entry>();
      for (const index of shard.indexes(block)) {
        const found = present.get(imageKey(index));
        const note = noted.get(index);
        if (!found || stop.requested) continue;
        if (note && isUnchanged(note, found)) {
          taken.set(index, note);
          continue;
        }
        const bytes = await store.read(found.key);
        if (!bytes) continue;
        step();
        const reason = whyNot(bytes, side, identityOf(run, generator, index));
        if (reason === undefined) taken.set(index, { index, file: found.key, ...digestOf([bytes]), version: found.version });
        else warn(`${found.key} in ${store.uri} ${reason}`);
      }
      // What could not be looked at before the stop keeps its note.
      const isNews = taken.size !== noted.size || [...taken].some(([index, entry]) => noted.get(index) !== entry);
      if (isNews && !stop.requested) await journal.write(block, taken.values());
      return taken;
    },
    async add(images) {
      for (const block of new Set(images.map(({ index }) => shard.blockOf(index)))) {
        if (open?.block !== block) {
          await flush();
          open = { block, entries: new Map(await journal.read(block)) };
        }
        const { entries } = open;
        const ofBlock = images.filter(({ index }) => shard.blockOf(index) === block);
        await eachOf(ofBlock, AT_ONCE, async ({ index, pixels }) => void entries.set(index, await writeImage(index, pixels)));
      }
    },
    flush,
    async finish() {
      await flush();
      return true;
    },
  };
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
