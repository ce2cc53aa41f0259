/** Synthetic images from generators of other shapes than a quick training has: thousands of them, classes, minibatches, and latents far away. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, suite, test, type TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import sharp from 'sharp';
import { parseProgress } from '../crds/progress.ts';
import type { SynthesisRun } from '../crds/run.ts';
import { type Command, pggan, succeeded, trainer } from './harness/pggan.ts';
import { isAlive } from './harness/processes.ts';
import { randomGenerator } from './harness/random-generator.ts';
import { uriOf } from './harness/tiny-training.ts';
import { served } from './harness/tiny-run.ts';

/** The images that Ganesan et al. (2019) drew. */
const MANY = 6300;
/** Some 50 kB each as the network draws them: whatever kept them would show. */
const COLOUR = { resolution: 64, channels: 3 } as const;
/** A third of what half of the images take, undecoded. */
const GROWTH_BYTES = 50e6;

suite('synthesis of generators that nobody has trained', { concurrency: false }, () => {
  const workspace = mkdtempSync(join(parentFolder(), 'pggan-synthesis-'));
  after(() => rmSync(workspace, { recursive: true, force: true }));
  const folder = (name: string): string => join(workspace, name);

  /** What a pod is told. */
  const documentOf = (run: string, output: string, changes: Partial<SynthesisRun>): SynthesisRun => ({
    version: 'v1',
    kind: 'synthesis',
    owner: { cluster: 'test', namespace: 'default', name: output, uid: 'u' },
    checkpoint: { uri: uriOf(folder(run)) },
    output: { uri: uriOf(folder(output)) },
    count: 12,
    shards: 1,
    shard: 0,
    seed: 1000,
    latents: 'RandomState',
    minibatch: 8,
    threads: 1,
    port: 0,
    ...changes,
  });
  const draw = async (t: TestContext, run: string, output: string, changes: Partial<SynthesisRun>): Promise<readonly Buffer[]> => {
    await succeeded(trainer(t, documentOf(run, output, changes)));
    const images = readdirSync(folder(`${output}/images`)).sort();
    return Promise.all(
      images.map((name) =>
        sharp(folder(`${output}/images/${name}`))
          .raw()
          .toBuffer(),
      ),
    );
  };

  test('a conditional network draws its classes in turn, or the one that is asked for, of the same latents', async (t) => {
    await randomGenerator(folder('conditional'), { labelSize: 3 });
    const inTurn = await draw(t, 'conditional', 'in-turn', {});
    const ofClass = [];
    for (const label of ['0', '1', '2']) {
      const out = folder(`class-${label}`);
      const options = ['--num-pngs', '12', '--seed', '1000', '--threads', '1', '--label', label, '--out', out];
      await succeeded(pggan(t, ['synthesize', folder('conditional'), ...options]));
      const names = readdirSync(join(out, 'images')).sort();
      ofClass.push(
        await Promise.all(
          names.map((name) =>
            sharp(join(out, 'images', name))
              .raw()
              .toBuffer(),
          ),
        ),
      );
      const { comments = [] } = await sharp(join(out, 'images', '000004.png')).metadata();
      assert.equal(comments.find(({ keyword }) => keyword === 'Label')?.text, label);
      assert.equal((JSON.parse(readFileSync(join(out, 'manifest.json'), 'utf8')) as { readonly label: number }).label, Number(label));
    }
    for (const [index, image] of inTurn.entries()) {
      for (const [label, images] of ofClass.entries())
        assert.equal(images[index]?.equals(image), label === index % 3, `image ${index} as class ${label}`);
    }
    const refused = trainer(t, documentOf('conditional', 'class-3', { label: 3 }));
    assert.equal((await refused.ended).code, 2);
    assert.match(refused.errors.join('\n'), /spec.label is 3, but the network has 3 classes, 0 to 2/);
  });

  test('how many images are drawn at a time changes none of them by more than a grey level of rounding', async (t) => {
    await randomGenerator(folder('grey'), { resolution: 16 });
    const eight = await draw(t, 'grey', 'eight', { count: 20 });
    for (const minibatch of [1, 7]) {
      const images = await draw(t, 'grey', `by-${minibatch}`, { count: 20, minibatch });
      assert.equal(images.length, 20);
      let rounded = 0;
      for (const [index, image] of images.entries()) {
        for (const [at, value] of image.entries()) {
          const difference = Math.abs(value - (eight[index]?.[at] ?? Number.NaN));
          assert(difference <= 1, `image ${index}`);
          rounded += difference;
        }
      }
      assert(rounded <= 0.001 * 20 * 16 * 16 * 3, `${rounded} values differ`);
    }
  });

  test('a process that draws the latents of millions of images before its own lives, and stops when it is told to', async (t) => {
    await randomGenerator(folder('far'), { latentSize: 512 });
    const shards = 10_000_000;
    const far = trainer(t, documentOf('far', 'far-images', { count: shards, shards, shard: shards - 1 }));
    await far.said(/^drawing the latents of the 9999999 images before/);
    assert.equal((await served(far, '/healthz'))?.status, 200);
    far.signalGroup('SIGTERM');
    assert.equal((await far.ended).code, 75);
    assert.match(far.lines.at(-1) ?? '', /^stopped on request \(SIGTERM\) after 0 of 1 images/);
  });

  test(`memory does not grow over ${MANY} images`, async (t) => {
    await randomGenerator(folder('colour'), { ...COLOUR, latentSize: 8, fmapMax: 8 });
    const drawing = trainer(t, documentOf('colour', 'many', { count: MANY }));
    const halves = await memoryOfHalves(drawing);
    await succeeded(drawing);
    assert.equal(readdirSync(folder('many/images')).length, MANY);
    assert(halves.second - halves.first < GROWTH_BYTES, `${halves.first} bytes at most in the first half, ${halves.second} in the second`);
  });
});

/** Every file is made durable, which a busy disk takes minutes for and a file system in memory no time. */
function parentFolder(): string {
  const memory = '/dev/shm';
  if (!existsSync(memory)) return tmpdir();
  const { bavail, bsize } = statfsSync(memory);
  return bavail * bsize > 500e6 ? memory : tmpdir();
}

/** Largest resident memory of the process while it draws each half of the images. */
async function memoryOfHalves(drawing: Command): Promise<{ readonly first: number; readonly second: number }> {
  let [first, second] = [0, 0];
  while (isAlive(drawing.pid)) {
    const progress = parseProgress((await served(drawing, '/progress'))?.text ?? '');
    const resident = residentBytes(drawing.pid);
    if (progress?.kind === 'synthesis' && progress.done > 0 && resident !== undefined) {
      if (progress.done < progress.wanted / 2) first = Math.max(first, resident);
      else second = Math.max(second, resident);
    }
    await setTimeout(20);
  }
  assert(first > 0 && second > 0, 'it was never looked at');
  return { first, second };
}

function residentBytes(pid: number): number | undefined {
  try {
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
  } catch {
    return undefined;
  }
}
