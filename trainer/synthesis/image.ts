/** A synthetic image as PNG, and what its text says of it: enough to draw it again, and to tell whether it is the one that is wanted. */
import type { SynthesisRun } from '../../crds/run.ts';
import { copyChannelsLast } from '../data/channels.ts';
import { gridPng } from '../report/grid.ts';
import { labelsOf } from './latents.ts';
import type { OpenGenerator } from './open-generator.ts';
import { sideOf } from './pixels.ts';

export const imageKey = (index: number): string => `images/${String(index).padStart(6, '0')}.png`;

/** What decides image `index` of a job, as PNG text. */
export type Identity = Readonly<Record<(typeof IDENTITY)[number], string | undefined>>;

const IDENTITY = ['Synthetic', 'Seed', 'Latents', 'Truncation', 'Index', 'Label', 'Resolution', 'Checkpoint'] as const;

export function identityOf(
  run: Pick<SynthesisRun, 'seed' | 'latents' | 'truncation' | 'label' | 'resolution'>,
  { checkpoint, shape }: Pick<OpenGenerator, 'checkpoint' | 'shape'>,
  index: number,
): Identity {
  return {
    Synthetic: 'true',
    Seed: String(run.seed),
    Latents: run.latents ?? 'Philox',
    Truncation: run.truncation?.toString(),
    Index: String(index),
    Label: labelsOf(run, shape.labelSize)(index)?.toString(),
    Resolution: String(sideOf(run, shape)),
    Checkpoint: checkpoint.digest,
  };
}

/** What of the identity the text of an image says otherwise, in words; undefined where it says the same. */
export function otherThan(identity: Identity, text: Readonly<Record<string, string | undefined>>): string | undefined {
  const other = IDENTITY.find((key) => text[key] !== identity[key]);
  return other && `its ${other} is ${text[other] ?? 'not given'} instead of ${identity[other] ?? 'not given'}`;
}

/** `pixels` are channels first, side x side. */
export function imagePng(
  pixels: Uint8Array,
  { side, channels }: { readonly side: number; readonly channels: number },
  { data }: OpenGenerator['record'],
  identity: Identity,
): Buffer {
  const last = new Uint8Array(pixels.length);
  copyChannelsLast(pixels, channels, last);
  const trainedOn = data.label === 'phantom' ? ', trained on phantoms' : '';
  return gridPng(
    { data: last, shape: [1, side, side, channels] },
    {
      columns: 1,
      rows: 1,
      text: { Software: 'pggan-operator', Description: `synthetic image${trainedOn}; not for diagnosis`, ...given(identity) },
    },
  );
}

const given = (identity: Identity): Record<string, string> =>
  Object.fromEntries(Object.entries(identity).filter((entry): entry is [string, string] => entry[1] !== undefined));
