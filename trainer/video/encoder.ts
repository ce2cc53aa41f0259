/** Encodes frames as H.264 in an mp4, by the ffmpeg of the system: one child process that is fed frame by frame. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { asError, PgganError } from '../../crds/errors.ts';
import type { Picture } from '../report/grid.ts';

export type VideoOptions = {
  readonly width: number;
  readonly height: number;
  /** 1: grey, 3: RGB. */
  readonly channels: number;
  readonly framesPerSecond: number;
  /** Tags of the file, such as `title` and `comment`. */
  readonly tags: Readonly<Record<string, string>>;
  /** Why to stop, once somebody asks; asked before every frame. */
  readonly stopReason?: () => string | undefined;
};

const PROGRAM = process.env['PGGAN_FFMPEG'] ?? 'ffmpeg';
/** What is kept of ffmpeg's complaints. */
const MAX_ERROR_CHARACTERS = 2000;

/**
 * Writes the frames, one by one as `frames` yields them, and puts the file in its place when it is whole. Returns how many there were.
 * @throws {PgganError} Interrupted where `stopReason` gives one; VideoEncoderUnavailable where ffmpeg is not installed, cannot encode H.264, or cannot write the file
 */
export async function encodeVideo(path: string, frames: Frames, options: VideoOptions, program = PROGRAM): Promise<number> {
  const unfinished = join(dirname(path), `.${basename(path)}.${process.pid}.mp4`);
  try {
    const count = await encode(program, unfinished, frames, options);
    await rename(unfinished, path);
    return count;
  } catch (thrown) {
    await rm(unfinished, { force: true });
    // Ctrl-C ends ffmpeg as well, which may be told first.
    const reason = options.stopReason?.();
    if (reason !== undefined) throw new PgganError('Interrupted', `stopped on request (${reason}): nothing of ${path} is left`);
    throw explained(program, asError(thrown));
  }
}

type Frames = AsyncIterable<Picture> | Iterable<Picture>;

async function encode(program: string, path: string, frames: Frames, options: VideoOptions): Promise<number> {
  const ffmpeg = spawn(program, argumentsOf(options, path), { stdio: ['pipe', 'ignore', 'pipe'] });
  let complaint = '';
  ffmpeg.stderr.setEncoding('utf8').on('data', (text: string) => (complaint = (complaint + text).slice(-MAX_ERROR_CHARACTERS)));
  let count = 0;
  let failure: Error | undefined;
  async function* bytes(): AsyncGenerator<Uint8Array> {
    try {
      for await (const { data } of frames) {
        if (options.stopReason?.() !== undefined) throw new Error('stopped on request');
        yield data;
        count++;
      }
    } catch (thrown) {
      failure = asError(thrown);
    }
  }
  // Where ffmpeg ends early, feeding it fails with EPIPE, which is thrown into `bytes` too; its exit code and complaint say why.
  const fed = pipeline(Readable.from(bytes(), { highWaterMark: 1 }), ffmpeg.stdin).catch(asError);
  const [code] = (await once(ffmpeg, 'close')) as [number | null];
  const broken = await fed;
  if (failure && !broken) throw failure;
  if (code !== 0 || broken)
    throw new PgganError('VideoEncoderUnavailable', `${program} ended with ${code}: ${complaint.trim() || (broken?.message ?? '')}`);
  return count;
}

function argumentsOf({ width, height, channels, framesPerSecond, tags }: VideoOptions, path: string): readonly string[] {
  const input = [
    '-f',
    'rawvideo',
    '-pix_fmt',
    channels === 1 ? 'gray' : 'rgb24',
    '-s',
    `${width}x${height}`,
    '-r',
    String(framesPerSecond),
    '-i',
    'pipe:0',
  ];
  // Players want 4:2:0, which needs even sides; faststart puts the index first, so that browsers begin at once.
  const even = ['-vf', 'pad=ceil(iw/2)*2:ceil(ih/2)*2'];
  const output = ['-c:v', 'libx264', '-preset', 'medium', '-crf', '16', '-pix_fmt', 'yuv420p', '-movflags', '+faststart'];
  const metadata = Object.entries(tags).flatMap(([key, value]) => ['-metadata', `${key}=${value}`]);
  return ['-hide_banner', '-loglevel', 'error', '-nostdin', '-y', ...input, ...even, ...output, ...metadata, '-f', 'mp4', path];
}

function explained(program: string, error: Error): Error {
  if (!('code' in error && error.code === 'ENOENT' && 'syscall' in error && String(error.syscall).startsWith('spawn'))) return error;
  return new PgganError(
    'VideoEncoderUnavailable',
    `${program} is not installed, and it is what encodes videos: install it (Debian and Ubuntu: apt-get install ffmpeg), or set PGGAN_FFMPEG to its path`,
    { cause: error },
  );
}
