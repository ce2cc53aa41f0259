/** Turns pixels between the two orders in use: channels first in files, channels last in pictures and network feeds. */

/** H,W,C to C,H,W. */
export function channelsFirst(pixels: Uint8Array, channels: number): Uint8Array {
  if (channels === 1) return pixels;
  const plane = pixels.length / channels;
  const out = new Uint8Array(pixels.length);
  for (let channel = 0; channel < channels; channel++) {
    for (let at = 0; at < plane; at++) out[channel * plane + at] = pixels[at * channels + channel] as number;
  }
  return out;
}

/** C,H,W to H,W,C, into `out`. */
export function copyChannelsLast(pixels: Uint8Array, channels: number, out: Uint8Array): void {
  if (channels === 1) return out.set(pixels);
  const plane = pixels.length / channels;
  for (let channel = 0; channel < channels; channel++) {
    for (let at = 0; at < plane; at++) out[at * channels + channel] = pixels[channel * plane + at] as number;
  }
}
