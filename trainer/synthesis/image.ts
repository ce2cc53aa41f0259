/** A synthetic image as PNG, and what its text says of it: enough to draw it again, and to tell whether it is the one that is wanted. */
import { copyChannelsLast } from '../data/channels.ts';
import { gridPng } from '../report/grid.ts';
import type { OpenGenerator } from './open-generator.ts';
import type { SynthesisRun } from '../../crds/run.ts';

export const imageKey = (index: number): string => `images/${String(index).padStart(6, '0')}.png`;

/** What identifies image `index` of a job, as PNG text. */
export function identityOf(
  { seed }: Pick<SynthesisRun, 'seed'>,
  { checkpoint }: Pick<OpenGenerator, 'checkpoint'>,
  index: number,
): Readonly<Record<string, string>> {
  return { Synthetic: 'true', Seed: String(seed), Index: String(index), Checkpoint: checkpoint.digest };
}

/** `pixels` are channels first, side x side. */
export function imagePng(
  pixels: Uint8Array,
  { side, channels }: { readonly side: number; readonly channels: number },
  { data }: OpenGenerator['record'],
  identity: Readonly<Record<string, string>>,
): Buffer {
  const last = new Uint8Array(pixels.length);
  copyChannelsLast(pixels, channels, last);
  const trainedOn = data.label === 'phantom' ? ', trained on phantoms' : '';
  return gridPng(
    { data: last, shape: [1, side, side, channels] },
    {
      columns: 1,
      rows: 1,
      text: { Software: 'pggan-operator', Description: `synthetic image${trainedOn}; not for diagnosis`, ...identity },
    },
  );
}
