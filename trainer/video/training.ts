/** A training as a film: its fakes in the order in which they were drawn, at the pace of the wall clock, with a caption. */
import sharp from 'sharp';
import { PgganError } from '../../crds/errors.ts';
import { type Schedule, scheduleAt } from '../../crds/schedule.ts';
import type { Store } from '../checkpoint/store.ts';
import { svgText } from '../report/font.ts';
import type { Picture } from '../report/grid.ts';
import { formatTime, parseMetrics } from '../report/log.ts';
import { METRICS } from '../report/run-log.ts';

/** A picture of the run, and what it was drawn after. */
type Scene = { readonly key: string; readonly kimg: number; readonly seconds: number };

export type TrainingFilm = {
  readonly scenes: readonly Scene[];
  readonly schedule: Schedule;
  /** Of a frame, in pixels; the caption is below the picture. */
  readonly width: number;
  readonly height: number;
};

/** The beginning goes faster than the end, as the networks do: wall clock = (t / duration)^1.5 of the whole. */
const TIME_WARP = 1.5;
const MOST = { width: 1920, height: 1080 };
const READABLE_HEIGHT = 640;
const CAPTION_HEIGHT = 36;

/** @throws {PgganError} CheckpointInvalid where the run has drawn nothing yet */
export async function openTrainingFilm(store: Store, schedule: Schedule): Promise<TrainingFilm> {
  const ticks = ticksOf((await store.read(METRICS))?.toString() ?? '');
  const scenes = (await store.list('samples/')).flatMap(({ key }) => {
    const kimg = /^samples\/fakes(\d+)\.png$/.exec(key)?.[1];
    return kimg === undefined ? [] : [{ key, kimg: Number(kimg), seconds: interpolated(ticks, 'kimg', 'seconds', Number(kimg)) }];
  });
  const [first] = scenes;
  if (!first) throw new PgganError('CheckpointInvalid', `${store.uri} has no samples/fakes*.png: let the training run first`);
  const { width, height } = await sharp(await readPicture(store, first)).metadata();
  const scale = scaleOf(width, height);
  return { scenes, schedule, width: Math.round(width * scale), height: Math.round(height * scale) + CAPTION_HEIGHT };
}

/** The frames, one after another, in RGB. */
export async function* trainingFrames(store: Store, film: TrainingFilm, frames: number): AsyncGenerator<Picture> {
  const { scenes, schedule, width, height } = film;
  const total = scenes.at(-1)?.seconds ?? 0;
  let shown: { readonly scene: Scene; readonly picture: Buffer } | undefined;
  for (let frame = 0; frame < frames; frame++) {
    // The last frame shows the end of the run.
    const seconds = (frames > 1 ? frame / (frames - 1) : 1) ** TIME_WARP * total;
    const scene = scenes.findLast((candidate) => candidate.seconds <= seconds) ?? scenes[0];
    if (!scene) return;
    if (shown?.scene !== scene) shown = { scene, picture: await framed(await readPicture(store, scene), width, height) };
    const kimg = Math.max(interpolated(scenes, 'seconds', 'kimg', seconds), scene.kimg);
    const { lod } = scheduleAt(schedule, kimg * 1000);
    const caption = [`lod ${lod.toFixed(2)}`, formatTime(seconds), `${kimg.toFixed(0)} kimg`];
    yield { width, height, channels: 3, data: await captioned(shown.picture, width, height, caption) };
  }
}

type Point = Readonly<Record<'kimg' | 'seconds', number>>;

/** The beginning and every tick of the run. */
function ticksOf(metrics: string): readonly Point[] {
  const ticks = parseMetrics(metrics);
  return [
    { kimg: 0, seconds: 0 },
    ...ticks.map((tick) => ({ kimg: Number(tick['images']) / 1000, seconds: Number(tick['secondsTotal']) })),
  ];
}

/** `to` where `from` is `value`, on the lines between the points; beyond them, that of the nearest. */
function interpolated(points: readonly Point[], from: keyof Point, to: keyof Point, value: number): number {
  const next = points.findIndex((point) => point[from] >= value);
  const after = points[next] ?? points.at(-1);
  const before = points[next - 1] ?? after;
  if (!after || !before) return 0;
  const span = after[from] - before[from];
  return span > 0 ? before[to] + ((Math.min(value, after[from]) - before[from]) / span) * (after[to] - before[to]) : after[to];
}

async function readPicture(store: Store, { key }: Scene): Promise<Buffer> {
  const bytes = await store.read(key);
  if (!bytes) throw new PgganError('StoreUnavailable', `${key} in ${store.uri} was there and is gone`);
  return bytes;
}

/** Halved until it fits a full HD screen; doubled while it would be hard to see. */
function scaleOf(width: number, height: number): number {
  let scale = 1;
  while (width * scale > MOST.width || height * scale > MOST.height) scale /= 2;
  while (height * scale * 2 <= READABLE_HEIGHT && width * scale * 2 <= MOST.width) scale *= 2;
  return scale;
}

/** The picture in RGB at the film's size, above a black strip for the caption. */
async function framed(png: Buffer, width: number, height: number): Promise<Buffer> {
  const pictureHeight = height - CAPTION_HEIGHT;
  const image = sharp(png);
  const grows = (await image.metadata()).height < pictureHeight;
  return image
    .resize(width, pictureHeight, { fit: 'fill', kernel: grows ? 'nearest' : 'linear' })
    .extend({ bottom: CAPTION_HEIGHT, background: '#000000' })
    .removeAlpha()
    .toColourspace('srgb')
    .raw()
    .toBuffer();
}

async function captioned(frame: Buffer, width: number, height: number, words: readonly string[]): Promise<Buffer> {
  const size = CAPTION_HEIGHT / 3;
  const baseline = CAPTION_HEIGHT / 2 + size / 2;
  const anchors = ['start', 'middle', 'end'] as const;
  const places = [size, width / 2, width - size];
  const text = words.map((word, i) => svgText(word, places[i] ?? 0, baseline, { size, colour: '#ffffff', anchor: anchors[i] ?? 'start' }));
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${CAPTION_HEIGHT}">${text.join('')}</svg>`;
  return sharp(frame, { raw: { width, height, channels: 3 } })
    .composite([{ input: Buffer.from(svg), left: 0, top: height - CAPTION_HEIGHT }])
    .removeAlpha()
    .raw()
    .toBuffer();
}
