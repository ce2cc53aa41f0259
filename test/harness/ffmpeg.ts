/** Finds ffmpeg, which films need, and reads what it wrote with its own probe and decoder. */
import { execFileSync } from 'node:child_process';
import type { TestContext } from 'node:test';
import { lacking } from './lacking.ts';

/** Whether ffmpeg is installed. Where it is not, the test is skipped with the reason; with CI=true that is a failure. */
export function hasFfmpeg(t: TestContext): boolean {
  try {
    for (const program of ['ffmpeg', 'ffprobe']) execFileSync(program, ['-version'], { stdio: 'ignore' });
    return true;
  } catch (cause) {
    lacking(t, 'ffmpeg is not installed (apt-get install ffmpeg)', cause);
    return false;
  }
}

export type Probed = {
  readonly codec: string;
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  readonly seconds: number;
  readonly framesPerSecond: string;
  readonly tags: Readonly<Record<string, string>>;
};

/** What ffprobe says of a film, its frames counted one by one. */
export function probe(path: string): Probed {
  const entries = 'stream=codec_name,width,height,nb_read_frames,r_frame_rate:format=duration:format_tags';
  const out = execFileSync('ffprobe', ['-v', 'error', '-count_frames', '-show_entries', entries, '-of', 'json', path], {
    encoding: 'utf8',
  });
  const { streams, format } = JSON.parse(out) as {
    readonly streams: readonly [
      {
        readonly codec_name: string;
        readonly width: number;
        readonly height: number;
        readonly nb_read_frames: string;
        readonly r_frame_rate: string;
      },
    ];
    readonly format: { readonly duration: string; readonly tags: Readonly<Record<string, string>> };
  };
  const [{ codec_name: codec, width, height, nb_read_frames: frames, r_frame_rate: framesPerSecond }] = streams;
  return { codec, width, height, frames: Number(frames), seconds: Number(format.duration), framesPerSecond, tags: format.tags };
}

/** The frames of a film in grey, as bytes of [height, width]. */
export function decodedFrames(path: string): readonly Uint8Array[] {
  const { width, height } = probe(path);
  const raw = execFileSync('ffmpeg', ['-v', 'error', '-i', path, '-f', 'rawvideo', '-pix_fmt', 'gray', '-'], { maxBuffer: 1 << 30 });
  return Array.from({ length: raw.length / (width * height) }, (_, i) => raw.subarray(i * width * height, (i + 1) * width * height));
}

/** Mean absolute difference of two pictures in grey levels. */
export function meanDifference(a: Uint8Array, b: Uint8Array): number {
  return a.reduce((sum, value, i) => sum + Math.abs(value - (b[i] ?? 0)), 0) / a.length;
}
