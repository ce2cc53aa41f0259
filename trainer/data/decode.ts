/** Decodes one PNG or JPEG file to 8-bit pixels, or says in a few words why it cannot be part of a dataset. */
import { readFile } from 'node:fs/promises';
import sharp, { type Metadata, type Sharp } from 'sharp';
import { asError } from '../../crds/errors.ts';
import { codeOf } from '../checkpoint/file-errors.ts';

/** 8-bit pixels, row by row, channels last: 1 is grey, 3 is red, green, blue. */
export type Picture = { readonly channels: 1 | 3; readonly width: number; readonly height: number; readonly pixels: Uint8Array };

export type Decoded = { readonly kind: 'picture'; readonly picture: Picture } | { readonly kind: 'refused'; readonly reason: string };

/** Beyond this a file is taken for a mistake (or an attack on memory) rather than a radiograph. */
const MAX_SIDE = 16384;

/**
 * Reads and decodes a whole file, so that a truncated one is found. The EXIF orientation is applied; embedded colour profiles are not: the
 * stored grey levels are what a network sees. 16-bit images keep their upper 8 bits, rounded.
 */
export async function decodePicture(file: string): Promise<Decoded> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (error) {
    return refused(`cannot be read (${codeOf(error) ?? asError(error).message})`);
  }
  const notImage = whyNoPicture(bytes);
  if (notImage !== undefined) return refused(notImage);
  const image = sharp(bytes, { failOn: 'warning', ignoreIcc: true, limitInputPixels: MAX_SIDE * MAX_SIDE, sequentialRead: true });
  try {
    const metadata = await image.metadata();
    const unfit = whyUnfit(metadata);
    return unfit === undefined ? await decode(image, metadata) : refused(unfit);
  } catch (error) {
    return refused(`is damaged or truncated (${asError(error).message.split('\n')[0]})`);
  }
}

const refused = (reason: string): Decoded => ({ kind: 'refused', reason });

const SIGNATURES: readonly (readonly [kind: string, at: number, signature: string])[] = [
  ['a GIF', 0, 'GIF8'],
  ['a WebP', 8, 'WEBP'],
  ['a TIFF', 0, 'II*\0'],
  ['a TIFF', 0, 'MM\0*'],
  ['a BMP', 0, 'BM'],
  ['a DICOM file', 128, 'DICM'],
];
const PNG = '\x89PNG\r\n\x1a\n';
const JPEG = '\xff\xd8\xff';

function whyNoPicture(bytes: Buffer): string | undefined {
  const has = (at: number, signature: string): boolean => bytes.subarray(at, at + signature.length).toString('latin1') === signature;
  if (bytes.length === 0) return 'is empty';
  if (has(0, PNG)) return isAnimated(bytes) ? 'is an animated PNG: save one frame of it' : undefined;
  if (has(0, JPEG)) return undefined;
  const other = SIGNATURES.find(([, at, signature]) => has(at, signature));
  return other ? `is ${other[0]}: save it as PNG or JPEG` : 'is not an image (neither PNG nor JPEG)';
}

/** An animated PNG announces itself in an acTL chunk before its pixels. */
function isAnimated(png: Buffer): boolean {
  for (let at = PNG.length; at + 8 <= png.length; at += 12 + png.readUInt32BE(at)) {
    const chunk = png.toString('latin1', at + 4, at + 8);
    if (chunk === 'acTL') return true;
    if (chunk === 'IDAT') return false;
  }
  return false;
}

function whyUnfit(metadata: Metadata): string | undefined {
  if (metadata.space === 'cmyk') return 'has CMYK colours: save it as RGB or grey';
  if (metadata.width > MAX_SIDE || metadata.height > MAX_SIDE)
    return `is ${metadata.width}x${metadata.height}: more than ${MAX_SIDE} pixels a side`;
  return undefined;
}

async function decode(image: Sharp, metadata: Metadata): Promise<Decoded> {
  const wide = metadata.depth === 'ushort';
  const grey = metadata.channels <= 2;
  if (metadata.hasAlpha && !(await image.clone().stats()).isOpaque)
    return refused('has transparent pixels: save it without an alpha channel');
  const upright = image.clone().autoOrient().removeAlpha();
  const { data, info } = await upright
    .toColourspace(grey ? (wide ? 'grey16' : 'b-w') : wide ? 'rgb16' : 'srgb')
    .raw({ depth: wide ? 'ushort' : 'uchar' })
    .toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  if (channels !== 1 && channels !== 3) return refused(`has ${channels} channels: only grey and RGB can be used`);
  if (!wide) return { kind: 'picture', picture: { channels, width, height, pixels: data } };
  const values = new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2);
  const brightest = values.reduce((a, b) => Math.max(a, b), 0);
  if (brightest < 4096) {
    return refused(
      `has 16 bits per value but none above ${brightest}: in 8 bits it would be almost black, so stretch its grey levels first`,
    );
  }
  return { kind: 'picture', picture: { channels, width, height, pixels: Uint8Array.from(values, (value) => (value + 128) / 257) } };
}
