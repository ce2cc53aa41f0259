/** Puts text into a PNG where every reader looks: before the pixels (fast-png writes it after them, where libvips no longer reads). */
import { crc32 } from 'node:zlib';

/** Signature (8 bytes) and the IHDR chunk (4 length, 4 type, 13 data, 4 CRC), which comes first in every PNG. */
const AFTER_HEADER = 8 + 25;
const KEYWORD = /^[\x21-\x7e](?:[\x20-\x7e]{0,77}[\x21-\x7e])?$/;

/** The PNG with one tEXt chunk per entry. Text is Latin-1 by the standard; other characters become '?'. @throws {RangeError} for a keyword that is none */
export function withText(png: Uint8Array, text: Readonly<Record<string, string>>): Buffer {
  const chunks = Object.entries(text).map(([keyword, value]) => textChunk(keyword, value));
  return Buffer.concat([png.subarray(0, AFTER_HEADER), ...chunks, png.subarray(AFTER_HEADER)]);
}

function textChunk(keyword: string, value: string): Buffer {
  if (!KEYWORD.test(keyword)) throw new RangeError(`'${keyword}' is no PNG keyword: 1 to 79 printable ASCII characters`);
  const body = Buffer.from(`tEXt${keyword}\0${value.replaceAll('\0', ' ').replaceAll(/[^\0-\xff]/gu, '?')}`, 'latin1');
  const chunk = Buffer.alloc(body.byteLength + 8);
  chunk.writeUInt32BE(body.byteLength - 4, 0);
  body.copy(chunk, 4);
  chunk.writeUInt32BE(crc32(body), body.byteLength + 4);
  return chunk;
}
