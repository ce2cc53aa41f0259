/** Synthetic images, from a finished run to a folder of PNGs: what they say of themselves, and that nothing but seed and checkpoint decides them. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import sharp from 'sharp';
import { resolveSynthesisRun } from '../crds/resolve.ts';
import type { SynthesisJob } from '../crds/v1alpha1/synthesis-job.ts';
import { openDataset } from '../trainer/data/dataset.ts';
import { whenChanged } from './harness/changes.ts';
import { pggan, succeeded, trainer } from './harness/pggan.ts';
import { freeze, killHard, thaw, trainerOf } from './harness/processes.ts';
import { createWorkspace, newestCheckpoint, partOf, readJson, uriOf, type Workspace } from './harness/tiny-training.ts';

const COUNT = 32;
/** Enough to take a while: a job that is to be killed must not be done before it is. */
const MANY = 600;
const SEED = 77;

type Manifest = {
  readonly synthetic: boolean;
  readonly data: string;
  readonly seed: number;
  readonly count: number;
  readonly shards: number;
  readonly checkpoint: { readonly digest: string; readonly weightsDigest: string; readonly images: number };
  readonly images: readonly { readonly index: number; readonly file: string; readonly sha256: string }[];
};

suite('a SynthesisJob', { concurrency: false }, () => {
  let workspace: Workspace;
  let run: string;
  /** The images of a job that nobody disturbed. */
  let reference: string;
  before(async () => {
    workspace = await createWorkspace(8);
    run = workspace.runFolder('tiny', 'runs');
    reference = workspace.runFolder('whole', 'runs');
  });
  after(() => workspace.remove());

  /** Starts a job from the finished run; `spec` replaces fields. */
  const jobOf = (name: string, spec: Readonly<Record<string, unknown>> = {}): readonly string[] => {
    const manifest = workspace.synthesis(name, 'runs', { trainingRef: { name: 'tiny' }, count: COUNT, seed: SEED, ...spec });
    return ['start', manifest];
  };

  /** What the operator would have of a job for this run. */
  const typedJob = (shards: number): SynthesisJob => ({
    apiVersion: 'pggan.dev/v1alpha1',
    kind: 'SynthesisJob',
    metadata: { name: 'typed', namespace: 'default', uid: 'u' },
    spec: {
      checkpoint: { uri: uriOf(run) },
      waitForTraining: false,
      count: COUNT,
      seed: SEED,
      latents: 'RandomState',
      shards,
      output: { uri: uriOf(workspace.folder) },
      format: 'PNG',
      minibatch: 8,
      threads: 1,
      suspend: false,
      maxRestarts: 10,
      ttlSecondsAfterFinished: 0,
    },
  });

  test('draws its count of PNGs, each saying that it is synthetic, its seed and its checkpoint', async (t) => {
    await succeeded(pggan(t, ['start', workspace.manifest('tiny', 'runs')]));
    await succeeded(pggan(t, jobOf('whole')));
    const newest = newestCheckpoint(run) ?? assert.fail('no checkpoint');
    const digest = sha256(join(newest.folder, 'checkpoint.json'));
    assert.deepEqual(
      imagesOf(reference),
      Array.from({ length: COUNT }, (_, index) => `${String(index).padStart(6, '0')}.png`),
    );
    const distinct = new Set<string>();
    for (const [index, name] of imagesOf(reference).entries()) {
      const image = sharp(join(reference, 'images', name));
      const { width, height, channels, format, comments = [] } = await image.metadata();
      assert.deepEqual({ width, height, channels, format }, { width: 8, height: 8, channels: 1, format: 'png' });
      const text = new Map(comments.map((comment) => [comment.keyword, comment.text]));
      assert.equal(text.get('Synthetic'), 'true');
      assert.match(text.get('Description') ?? '', /synthetic.*phantoms.*not for diagnosis/);
      assert.equal(text.get('Seed'), String(SEED));
      assert.equal(text.get('Index'), String(index));
      assert.equal(text.get('Checkpoint'), digest);
      distinct.add((await image.raw().toBuffer()).toString('hex'));
    }
    assert.equal(distinct.size, COUNT, 'some images are the same');

    const manifest = manifestOf(reference);
    assert.deepEqual([manifest.synthetic, manifest.data, manifest.seed, manifest.count], [true, 'phantom', SEED, COUNT]);
    assert.deepEqual(
      [manifest.checkpoint.digest, manifest.checkpoint.weightsDigest, manifest.checkpoint.images],
      [digest, newest.manifest.weightsDigest, newest.images],
    );
    assert.equal(manifest.images.length, COUNT);
    for (const { file, sha256: promised } of manifest.images) assert.equal(sha256(join(reference, file)), promised, file);
  });

  test('draws the same bytes again, as a job and from the command line', async (t) => {
    await succeeded(pggan(t, jobOf('again')));
    assertSameImages(workspace.runFolder('again', 'runs'), reference);
    assert.deepEqual(manifestOf(workspace.runFolder('again', 'runs')), manifestOf(reference));
    const out = join(workspace.folder, 'typed');
    const options = ['--num-pngs', String(COUNT), '--seed', String(SEED), '--threads', '1', '--out', out];
    await succeeded(pggan(t, ['synthesize', run, ...options]));
    assertSameImages(out, reference);
    const other = join(workspace.folder, 'typed-other-seed');
    await succeeded(pggan(t, ['synthesize', run, '--num-pngs', '1', '--seed', '78', '--threads', '1', '--out', other]));
    assert.notEqual(sha256(join(other, 'images/000000.png')), sha256(join(reference, 'images/000000.png')));
  });

  test('draws from other latents, and no class of a network that has none, as the command line says', async (t) => {
    const out = join(workspace.folder, 'typed-philox');
    const options = ['--num-pngs', '1', '--seed', String(SEED), '--threads', '1', '--out', out];
    await succeeded(pggan(t, ['synthesize', run, ...options, '--latents', 'Philox']));
    assert.notEqual(sha256(join(out, 'images/000000.png')), sha256(join(reference, 'images/000000.png')));
    const labelled = pggan(t, ['synthesize', run, ...options, '--label', '0', '--out', `${out}-0`]);
    assert.equal((await labelled.ended).code, 2);
    assert.match(labelled.errors.join('\n'), /OptionsInvalid: spec.label is 0, but the network was trained without labels/);
  });

  test('makes smaller images of the same latents where a resolution is asked for, and refuses larger ones with the remedy', async (t) => {
    const out = join(workspace.folder, 'typed-small');
    const options = ['--num-pngs', '4', '--seed', String(SEED), '--threads', '1'];
    await succeeded(pggan(t, ['synthesize', run, ...options, '--resolution', '4', '--out', out]));
    for (const name of imagesOf(out)) {
      const [small, large] = await Promise.all(
        [out, reference].map((folder) =>
          sharp(join(folder, 'images', name))
            .extractChannel(0)
            .raw()
            .toBuffer(),
        ),
      );
      assert(small && large);
      assert.equal(small.length, 16);
      for (const [at, value] of small.entries()) {
        const corner = Math.floor(at / 4) * 16 + (at % 4) * 2;
        const mean = [0, 1, 8, 9].reduce((sum, step) => sum + (large[corner + step] ?? NaN), 0) / 4;
        // The boxes are averaged before anything is rounded or clipped; only where nothing was clipped does the large image show their mean.
        if ([0, 1, 8, 9].every((step) => large[corner + step] !== 0 && large[corner + step] !== 255))
          assert(Math.abs(value - mean) <= 1, `${name} ${at}`);
      }
    }
    const refused = pggan(t, ['synthesize', run, ...options, '--resolution', '16', '--out', `${out}-not`]);
    assert.equal((await refused.ended).code, 2);
    assert.match(
      refused.errors.join('\n'),
      /OptionsInvalid: spec.resolution is 16, but the network draws 8x8: set it to 8 or a smaller power/,
    );
  });

  test('keeps the same pixels as a dataset that can be read where TFRecords are asked for', async (t) => {
    const out = join(workspace.folder, 'typed-records');
    const options = ['--num-pngs', String(COUNT), '--seed', String(SEED), '--threads', '1', '--format', 'TFRecord'];
    await succeeded(pggan(t, ['synthesize', run, ...options, '--out', out]));
    const dataset = await openDataset(join(out, 'dataset'));
    t.after(() => dataset.close());
    assert.deepEqual(dataset.source, { kind: 'synthetic', trainedOn: 'phantom', checkpoint: manifestOf(reference).checkpoint.digest });
    for (const [index, name] of imagesOf(reference).entries()) {
      const pixels = await sharp(join(reference, 'images', name))
        .extractChannel(0)
        .raw()
        .toBuffer();
      assert.deepEqual([...dataset.read(8, [index])], [...pixels], name);
    }
    assert.deepEqual(
      ['parts', 'images'].filter((name) => existsSync(join(out, name))),
      [],
    );
  });

  test('draws the same bytes with three shards as with one, and has no manifest before the last shard is done', async (t) => {
    const output = join(workspace.folder, 'sharded');
    const job = typedJob(3);
    // As the pods of an Indexed Job: one document for all, and each shard's number beside it.
    const document = resolveSynthesisRun(job, { cluster: 'local', port: 0, shard: 0, outputUri: uriOf(output) });
    for (const shard of ['2', '0', '1']) {
      assert(!existsSync(join(output, 'manifest.json')));
      await succeeded(trainer(t, document, { env: { PGGAN_SHARD: shard } }));
    }
    assertSameImages(output, reference);
    assert.deepEqual(manifestOf(output), { ...manifestOf(reference), shards: 3 });
  });

  test('killed in the middle goes on with the images that are missing, and ends with the same bytes', async (t) => {
    const undisturbed = pggan(t, jobOf('many', { count: MANY }));
    const folder = workspace.runFolder('killed', 'runs');
    const command = pggan(t, jobOf('killed', { count: MANY }));
    const failed = command.ended.then(() => assert.fail('it ended before it was killed'));
    failed.catch(() => undefined);
    const kept = await whenChanged(
      join(folder, 'images'),
      async () => {
        const pid = trainerOf(command)?.pid;
        if (pid === undefined || !(await freeze(pid))) return undefined;
        const images = inodesOf(folder);
        if (images.size === 0) {
          thaw(pid);
          return undefined;
        }
        killHard(pid);
        return images;
      },
      failed,
    );
    assert(kept.size < MANY, 'it was done before it was killed');
    await Promise.all([succeeded(command), succeeded(undisturbed)]);
    const many = workspace.runFolder('many', 'runs');
    assertSameImages(folder, many);
    assert.deepEqual(manifestOf(folder), manifestOf(many));
    // The number of images decides none of them.
    assert.deepEqual(manifestOf(many).images.slice(0, COUNT), manifestOf(reference).images);
    const now = inodesOf(folder);
    for (const [name, inode] of kept) assert.equal(now.get(name), inode, `${name} was drawn again`);
  });

  test('takes up no image that is damaged, cut off or of another index, and draws it again', async (t) => {
    const folder = join(workspace.folder, 'mended');
    cpSync(reference, folder, { recursive: true });
    const [first, second, third, fourth] = [0, 1, 2, 3].map((index) => join(folder, 'images', `00000${index}.png`)) as [
      string,
      string,
      string,
      string,
    ];
    const bytes = readFileSync(first);
    bytes[bytes.length - 20]! ^= 1;
    writeFileSync(first, bytes);
    writeFileSync(second, readFileSync(second).subarray(0, 100));
    cpSync(fourth, third);
    const command = trainer(t, resolveSynthesisRun(typedJob(1), { cluster: 'local', port: 0, shard: 0, outputUri: uriOf(folder) }));
    await succeeded(command);
    const warnings = command.lines.filter((line) => line.startsWith('warning: '));
    assert.equal(warnings.length, 3, warnings.join('\n'));
    assert.match(warnings[0] ?? '', /images\/000000.png in .* is damaged .*; it is made again/);
    assert.match(warnings[2] ?? '', /images\/000002.png in .* is another image: its Index is 3 instead of 2/);
    assertSameImages(folder, reference);
    assert.deepEqual(manifestOf(folder), manifestOf(reference));
  });

  test('of another seed is refused in the same folder, with the field that differs', async (t) => {
    const before = inodesOf(reference);
    const refused = pggan(t, jobOf('whole', { seed: 78 }));
    assert.equal((await refused.ended).code, 2);
    assert.match(refused.errors.join('\n'), /holds other synthetic images: seed 77 in the folder, 78 wanted/);
    assert.deepEqual(inodesOf(reference), before);
  });

  test('from a run whose newest checkpoint is damaged says so at the terminal, and draws from the one before', async (t) => {
    const damaged = join(workspace.folder, 'damaged');
    cpSync(run, damaged, { recursive: true });
    const newest = newestCheckpoint(damaged) ?? assert.fail('no checkpoint');
    writeFileSync(join(newest.folder, partOf(newest, 'generator-ema')), 'torn');
    const command = pggan(t, ['synthesize', damaged, '--num-pngs', '1', '--threads', '1']);
    await succeeded(command);
    const warnings = command.lines.filter((line) => line.startsWith('warning: '));
    assert.equal(warnings.length, 1, warnings.join('\n'));
    assert.match(warnings[0] ?? '', /checkpoint checkpoints\/\d{12}\/ is damaged and was skipped/);
    assert(manifestOf(`${damaged}-1`).checkpoint.images < newest.images);
  });

  test('in the folder of a training is refused, and the run stays as it is', async (t) => {
    const newest = newestCheckpoint(run);
    const refused = pggan(t, ['synthesize', join(run, 'checkpoints/000000001024'), '--num-pngs', '1', '--out', run]);
    assert.equal((await refused.ended).code, 2);
    assert.match(refused.errors.join('\n'), /FingerprintMismatch: .*PGGANTraining default\/tiny already/);
    assert(!existsSync(join(run, 'images')));
    assert.deepEqual(newestCheckpoint(run), newest);
  });

  test('draws from a checkpoint in the middle of a run, at the resolution that the network had then', async (t) => {
    const checkpoint = join(run, 'checkpoints/000000001024');
    await succeeded(pggan(t, jobOf('middle', { trainingRef: undefined, checkpoint: { uri: uriOf(checkpoint) }, count: 4 })));
    const folder = workspace.runFolder('middle', 'runs');
    assert.equal(manifestOf(folder).checkpoint.digest, sha256(join(checkpoint, 'checkpoint.json')));
    assert.equal(manifestOf(folder).checkpoint.images, 1024);
    assert.equal(imagesOf(folder).length, 4);
    for (const name of imagesOf(folder)) {
      const pixels = await sharp(join(folder, 'images', name))
        .extractChannel(0)
        .raw()
        .toBuffer();
      assert.equal(pixels.length, 64);
      const blocks = pixels.every((pixel, i) => pixel === pixels[Math.floor(i / 16) * 2 * 8 + Math.floor((i % 8) / 2) * 2]);
      assert(blocks, `${name} is no enlarged 4x4 image`);
    }
  });
});

function assertSameImages(folder: string, reference: string): void {
  assert.deepEqual(imagesOf(folder), imagesOf(reference));
  for (const name of imagesOf(reference)) {
    const [one, other] = [folder, reference].map((path) => readFileSync(join(path, 'images', name)));
    assert(one && other && one.equals(other), `${name} differs`);
  }
}

const imagesOf = (folder: string): readonly string[] => readdirSync(join(folder, 'images')).sort();

/** Inode and time by name: another write makes another file. */
function inodesOf(folder: string): ReadonlyMap<string, string> {
  return new Map(
    imagesOf(folder).map((name) => {
      const { ino, mtimeMs } = statSync(join(folder, 'images', name));
      return [name, `${ino} ${mtimeMs}`];
    }),
  );
}

const manifestOf = (folder: string): Manifest => readJson(join(folder, 'manifest.json')) as Manifest;

const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');
