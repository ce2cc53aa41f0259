import assert from 'node:assert/strict';
import { chmodSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { decodedFrames, hasFfmpeg, meanDifference, probe } from '../../test/harness/ffmpeg.ts';
import { temporaryFolder } from '../checkpoint/test-checkpoints.ts';
import type { Picture } from '../report/grid.ts';
import { encodeVideo } from './encoder.ts';

/** A bar that wanders from left to right. */
const picture = (frame: number, width: number, height: number, channels: number): Picture => ({
  width,
  height,
  channels,
  data: Uint8Array.from({ length: width * height * channels }, (_, i) =>
    Math.abs((Math.floor(i / channels) % width) - frame) < 4 ? 230 : 40,
  ),
});

function* pictures(frames: number, width: number, height: number, channels: number): Generator<Picture> {
  for (let frame = 0; frame < frames; frame++) yield picture(frame, width, height, channels);
}

test('every frame is in the film, at its rate, in H.264 that every player shows, grey or in colour', async (t) => {
  if (!hasFfmpeg(t)) return;
  const folder = await temporaryFolder(t);
  for (const channels of [1, 3]) {
    const path = join(folder, `film-${channels}.mp4`);
    const options = { width: 64, height: 48, channels, framesPerSecond: 25, tags: { title: 'a title', comment: 'not for diagnosis' } };
    assert.equal(await encodeVideo(path, pictures(40, 64, 48, channels), options), 40);
    const { tags, ...film } = probe(path);
    assert.deepEqual(film, { codec: 'h264', width: 64, height: 48, frames: 40, seconds: 1.6, framesPerSecond: '25/1' });
    assert.deepEqual([tags['title'], tags['comment']], ['a title', 'not for diagnosis']);
    for (const [i, frame] of decodedFrames(path).entries()) {
      const off = meanDifference(frame, picture(i, 64, 48, 1).data);
      assert(off < 4, `frame ${i} is off by ${off} grey levels`);
    }
  }
  assert.deepEqual(readdirSync(folder).sort(), ['film-1.mp4', 'film-3.mp4']);
});

test('odd sides are padded by a pixel, since H.264 in 4:2:0 has none', async (t) => {
  if (!hasFfmpeg(t)) return;
  const path = join(await temporaryFolder(t), 'odd.mp4');
  await encodeVideo(path, pictures(3, 33, 21, 1), { width: 33, height: 21, channels: 1, framesPerSecond: 30, tags: {} });
  const { width, height, frames } = probe(path);
  assert.deepEqual([width, height, frames], [34, 22, 3]);
});

test('frames are drawn as the encoder takes them, not ahead of it', async (t) => {
  const folder = await temporaryFolder(t);
  // Reads nothing until the gate is opened.
  const program = script(
    join(folder, 'slow-ffmpeg'),
    `until [ -e ${folder}/gate ]; do sleep 0.05; done; cat > /dev/null; for last; do :; done; : > "$last"`,
  );
  let drawn = 0;
  function* frames(): Generator<Picture> {
    for (; drawn < 100; drawn++) yield { width: 512, height: 512, channels: 1, data: new Uint8Array(512 * 512) };
  }
  const options = { width: 512, height: 512, channels: 1, framesPerSecond: 30, tags: {} };
  const encoding = encodeVideo(join(folder, 'a.mp4'), frames(), options, program);
  for (let turn = 0; turn < 1000; turn++) await setImmediate();
  assert(drawn > 0 && drawn < 8, `${drawn} frames were drawn before any was taken`);
  writeFileSync(join(folder, 'gate'), '');
  assert.equal(await encoding, 100);
});

test('a film whose frames or encoder fail leaves nothing behind, and says why', async (t) => {
  if (!hasFfmpeg(t)) return;
  const folder = await temporaryFolder(t);
  const options = { width: 64, height: 48, channels: 1, framesPerSecond: 25, tags: {} };
  await assert.rejects(encodeVideo(join(folder, 'a.mp4'), broken(), options), /the store is gone/);
  await assert.rejects(encodeVideo(join(folder, 'no', 'such', 'folder.mp4'), pictures(500, 64, 48, 1), options), {
    code: 'VideoEncoderUnavailable',
    message: /ffmpeg ended with \d+: .*No such file or directory/,
  });
  assert.deepEqual(readdirSync(folder), []);
});

test('a film that is no longer wanted ends between two frames, and nothing of it is left', async (t) => {
  if (!hasFfmpeg(t)) return;
  const folder = await temporaryFolder(t);
  let asked = 0;
  const stopReason = (): string | undefined => (++asked > 5 ? 'SIGINT' : undefined);
  const options = { width: 64, height: 48, channels: 1, framesPerSecond: 25, tags: {}, stopReason };
  await assert.rejects(encodeVideo(join(folder, 'a.mp4'), pictures(500, 64, 48, 1), options), {
    code: 'Interrupted',
    message: /^stopped on request \(SIGINT\): nothing of .*a\.mp4 is left$/,
  });
  assert.ok(asked < 20);
  assert.deepEqual(readdirSync(folder), []);
});

test('without ffmpeg the error says how to install it', async (t) => {
  const folder = await temporaryFolder(t);
  const options = { width: 4, height: 4, channels: 1, framesPerSecond: 25, tags: {} };
  const missing = encodeVideo(join(folder, 'a.mp4'), pictures(2, 4, 4, 1), options, join(folder, 'ffmpeg'));
  await assert.rejects(missing, {
    code: 'VideoEncoderUnavailable',
    message: /is not installed, .*apt-get install ffmpeg\), or set PGGAN_FFMPEG/,
  });
  const program = join(folder, 'old-ffmpeg');
  writeFileSync(program, '#!/bin/sh\necho "Unknown encoder \'libx264\'" >&2\nexit 1\n');
  chmodSync(program, 0o755);
  await assert.rejects(encodeVideo(join(folder, 'a.mp4'), pictures(2, 4, 4, 1), options, program), {
    code: 'VideoEncoderUnavailable',
    message: /ended with 1: Unknown encoder 'libx264'/,
  });
});

function* broken(): Generator<Picture> {
  yield picture(0, 64, 48, 1);
  throw new Error('the store is gone');
}

function script(path: string, text: string): string {
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
  return path;
}
