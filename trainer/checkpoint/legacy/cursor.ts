/** Reads a file from front to back: every length is checked against what is left, and nothing is copied. */
import { decodeName, type Refuse } from './values.ts';

const LINE_FEED = 10;
/** The longest line: a module or a name of the GLOBAL opcode. */
const MAX_LINE_BYTES = 256;

export type Cursor = {
  /** Offset of the next byte. */
  position(): number;
  left(): number;
  /** A view of the next `length` bytes. */
  take(length: number, what: string): Uint8Array;
  uint(bytes: 1 | 2 | 4 | 8, what: string): number;
  int32(what: string): number;
  float64(what: string): number;
  /** Up to the next line feed, which is passed over. */
  line(what: string): string;
};

export function cursorOf(bytes: Uint8Array, refuse: Refuse): Cursor {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const advance = (length: number, what: string): number => {
    const left = bytes.byteLength - at;
    if (length > left) return refuse(at, `${what} takes ${length} bytes, the file has ${left} more (truncated?)`);
    at += length;
    return at - length;
  };
  return {
    position: () => at,
    left: () => bytes.byteLength - at,
    take(length, what) {
      const begin = advance(length, what);
      return bytes.subarray(begin, begin + length);
    },
    uint(size, what) {
      const begin = advance(size, what);
      switch (size) {
        case 1:
          return view.getUint8(begin);
        case 2:
          return view.getUint16(begin, true);
        case 4:
          return view.getUint32(begin, true);
        case 8:
          // Beyond 2^53 it is inexact, but then it is far beyond any file as well.
          return Number(view.getBigUint64(begin, true));
      }
    },
    int32: (what) => view.getInt32(advance(4, what), true),
    float64: (what) => view.getFloat64(advance(8, what), false),
    line(what) {
      const begin = at;
      const length = bytes.subarray(begin, begin + MAX_LINE_BYTES + 1).indexOf(LINE_FEED);
      if (length < 0) return refuse(begin, `${what} does not end within ${MAX_LINE_BYTES} bytes`);
      advance(length + 1, what);
      return decodeName(bytes.subarray(begin, begin + length), begin, what, refuse);
    },
  };
}
