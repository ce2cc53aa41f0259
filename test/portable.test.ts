/** Results that come from elsewhere and go elsewhere, by the commands that people type: import, training on, export. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import sharp from 'sharp';
import { PgganError } from '../crds/errors.ts';
import { importCommand } from '../trainer/checkpoint/legacy/command.ts';
import { pythonSnapshots } from '../trainer/checkpoint/legacy/test-snapshots.ts';
import { floatsOf, parseSafetensors } from '../trainer/checkpoint/safetensors.ts';
import { exportCommand } from '../trainer/export/command.ts';
import { decodedFrames, hasFfmpeg, meanDifference, probe } from './harness/ffmpeg.ts';
import { judge } from './harness/judge.ts';
import { pggan, succeeded } from './harness/pggan.ts';
import { shared } from './harness/shared.ts';
import {
  type CheckpointFolder,
  checkpointFolders,
  createWorkspace,
  partOf,
  readJson,
  uriOf,
  type Workspace,
} from './harness/tiny-training.ts';

type Card = {
  readonly synthetic: boolean;
  readonly notice: string;
  readonly data: { readonly label: string };
  readonly training: { readonly name: string; readonly images: number };
  readonly measured: { readonly images: number; readonly values: Readonly<Record<string, number>> } | null;
  readonly lineage: {
    readonly snapshot?: { readonly file: string; readonly sha256: string };
    readonly initFrom?: { readonly digest: string };
  };
  readonly files: Readonly<Record<string, { readonly size: number; readonly sha256: string }>>;
};

suite('what is imported and exported', { concurrency: false }, () => {
  let workspace: Workspace;
  before(async () => {
    workspace = await createWorkspace(16);
  });
  after(() => workspace.remove());
  const folder = (name: string): string => join(workspace.folder, name);

  test('the original’s snapshot, by way of ONNX, makes in onnxruntime the images that the original made', async (t) => {
    const snapshot = shared(t, 'golden/pickle/network-snapshot-000010.pkl');
    const expected = shared(t, 'golden/pickle/expected.safetensors');
    if (snapshot === undefined || expected === undefined) return;
    const imported = pggan(t, ['import', snapshot, folder('imported')]);
    await succeeded(imported);
    assert.match(
      imported.lines[0] ?? '',
      /^imported network-snapshot-000010\.pkl \(SHA-256 [0-9a-f]{12}\.\.\., after 10 kimg, at 16x16, lod 0\.25\) as$/,
    );
    await succeeded(pggan(t, ['export', folder('imported'), folder('onnx'), '--format', 'onnx']));
    const said = judge(t, COMPARE_ONNX, [join(folder('onnx'), 'generator.onnx'), expected]);
    if (said !== undefined) assert(Number(said) <= 1e-5, `onnxruntime is off by ${said}`);
    const { lineage, data, measured } = readJson(join(folder('onnx'), 'model-card.json')) as Card;
    assert.deepEqual(lineage.snapshot, { file: 'network-snapshot-000010.pkl', sha256: sha256(snapshot) });
    assert.deepEqual([data.label, measured], ['unknown', null]);
  });

  test('training goes on from an imported snapshot with a fresh optimizer, and what comes of it is exported in every format', async (t) => {
    if (shared(t, 'golden/pickle/network-snapshot-000010.pkl') === undefined) return;
    const [source] = checkpointFolders(folder('imported'));
    assert(source?.manifest);
    const initFrom = { checkpoint: { uri: uriOf(source.folder) }, startKimg: 10 };
    const schedule = { trainKimg: 2, transitionKimg: 4, minibatchBase: 16, tickKimgBase: 1 };
    const checkpoints = { everyKimg: 100, everySeconds: 3600, keepLast: 2 };
    await succeeded(pggan(t, ['start', workspace.manifest('forked', 'runs', { initFrom, schedule, checkpoints, totalKimg: 13 })]));
    const run = workspace.runFolder('forked', 'runs');
    const [first, end] = checkpointFolders(run);
    if (!first || !end) assert.fail('a checkpoint is missing');
    const { parent } = first.manifest as unknown as { readonly parent: { readonly images: number; readonly digest: string } };
    assert.deepEqual([parent.images, parent.digest], [10_000, sha256(join(source.folder, 'checkpoint.json'))]);
    assert.match(readFileSync(join(run, 'log.txt'), 'utf8'), /^tick \d+ +kimg 11\.0 +lod 0\.\d\d /m);
    // 3,000 images move the average by little, and every weight of it that this phase trains: it goes on from the snapshot's.
    const [before, now] = [source, end].map(averageOf);
    for (const [name, values] of before ?? []) {
      const moved = Math.max(...values.map((value, i) => Math.abs(value - (now?.get(name)?.[i] ?? Number.NaN))));
      assert(name.startsWith('ToRGB_lod2/') ? moved === 0 : moved > 0 && moved < 0.3, `${name} moved by ${moved}`);
    }

    for (const format of ['safetensors', 'tfjs', 'onnx'])
      await succeeded(
        pggan(t, [
          'export',
          run,
          folder('exported'),
          '--format',
          format,
          ...(format === 'safetensors' ? ['--networks', 'generator-ema,discriminator'] : []),
        ]),
      );
    const card = readJson(join(folder('exported'), 'model-card.json')) as Card;
    const names = [
      'discriminator.safetensors',
      'generator-ema.safetensors',
      'generator.onnx',
      'group1-shard1of1.bin',
      'index.html',
      'model.json',
      'tf.min.js',
    ];
    assert.deepEqual(Object.keys(card.files).sort(), names);
    for (const name of names) assert.equal(card.files[name]?.sha256, sha256(join(folder('exported'), name)), name);
    assert.deepEqual(
      [card.synthetic, card.data.label, card.training.name, card.training.images],
      [true, 'phantom', 'default/forked', end.images],
    );
    assert.equal(card.lineage.initFrom?.digest, parent.digest);
    assert(Number.isFinite(card.measured?.values['realScores']) && !('secondsTotal' in (card.measured?.values ?? {})));
    const text = readFileSync(join(folder('exported'), 'README.md'), 'utf8');
    for (const words of [
      'not for diagnosis',
      'phantoms: synthetic drawings of chest radiographs, no patients',
      `${end.images} (`,
      'realScores',
    ])
      assert(text.includes(words), words);
    assert(!text.includes(workspace.folder), 'a published card names folders of this machine');

    const said = judge(t, READ_SAFETENSORS, [folder('exported')]);
    if (said === undefined) return;
    const { names: tensors, metadata } = JSON.parse(said) as {
      readonly names: readonly string[];
      readonly metadata: Readonly<Record<string, string>>;
    };
    assert.deepEqual([...tensors].sort(), [...(before?.keys() ?? [])].sort());
    assert.equal(metadata['notice'], card.notice);
    assert.match(metadata['data'] ?? '', /^phantoms/);
  });

  test('a run becomes a film that ends with its last picture, and its generator one that ends where it began', async (t) => {
    if (shared(t, 'golden/pickle/network-snapshot-000010.pkl') === undefined) return;
    if (!hasFfmpeg(t)) return;
    const run = workspace.runFolder('forked', 'runs');
    const [film, walk] = ['film.mp4', 'walk.mp4'].map((name) => join(workspace.folder, name)) as [string, string];
    await succeeded(pggan(t, ['video', 'training', run, film, '--seconds', '1.5', '--fps', '15']));
    const { codec, frames, seconds, width, height, tags } = probe(film);
    // 22.5 frames, as NumPy rounds them.
    assert.deepEqual([codec, frames, width], ['h264', 22, 1024]);
    assert(Math.abs(seconds - 22 / 15) < 0.01, `${seconds} s`);
    assert.match(tags['comment'] ?? '', /not for diagnosis\. Trained on: phantoms/);
    const last =
      readdirSync(join(run, 'samples'))
        .filter((name) => name.startsWith('fakes'))
        .sort()
        .at(-1) ?? '';
    const resized = sharp(join(run, 'samples', last)).resize(width, undefined, { kernel: 'nearest' });
    const { data: picture, info } = await resized.greyscale().raw().toBuffer({ resolveWithObject: true });
    const end = decodedFrames(film).at(-1) ?? assert.fail('no frame');
    assert.equal(height, info.height + 36, 'the caption stands below the picture');
    const off = meanDifference(end.subarray(0, picture.length), picture);
    assert(off < 3, `the last frame is off by ${off} grey levels`);
    assert(
      end.subarray(picture.length).some((value) => value > 200),
      'there is no caption',
    );

    await succeeded(
      pggan(t, ['video', 'interpolation', run, walk, '--seconds', '2', '--fps', '12', '--grid', '2x1', '--smoothing', '0.25']),
    );
    const shown = decodedFrames(walk);
    assert.deepEqual([shown.length, probe(walk).width, probe(walk).height], [24, 1024, 512]);
    const difference = (a: number, b: number): number => meanDifference(shown[a] ?? new Uint8Array(1), shown[b] ?? new Uint8Array(1));
    const far = difference(0, 12);
    assert(difference(23, 0) < far / 2 && difference(0, 1) < far / 2, 'the walk is not smooth, or does not come back');
  });

  test('a folder that holds something else, other weights, or a run is not written into', async (t) => {
    if (shared(t, 'golden/pickle/network-snapshot-000010.pkl') === undefined) return;
    const refused = pggan(t, ['export', folder('imported'), folder('exported'), '--format', 'onnx']);
    assert.equal((await refused.ended).code, 2);
    assert.match(refused.errors.join('\n'), /^error: ExportExists: .*exported holds an export of other weights: name another folder$/);
    const refusals: readonly (readonly [() => Promise<void>, RegExp])[] = [
      [
        () => exportCommand(folder('imported'), workspace.dataset, { format: 'onnx' }),
        /holds .* but no model-card\.json, so it is no export/,
      ],
      [
        () => exportCommand(folder('imported'), folder('x'), { format: 'tfjs', networks: ['generator'] }),
        /^--networks goes with --format safetensors/,
      ],
      [() => exportCommand(folder('nowhere'), folder('x'), { format: 'onnx' }), /nowhere holds no checkpoint yet/],
    ];
    for (const [refusal, message] of refusals)
      await assert.rejects(refusal(), (error) => error instanceof PgganError && message.test(error.message));
    assert.equal(existsSync(folder('x')), false);
  });

  test('a pickle that would run something is refused with its name, and neither run nor imported', async (t) => {
    const python = pythonSnapshots(t);
    if (!python) return;
    const damaged = folder('network-snapshot-000001.pkl');
    writeFileSync(damaged, python.read('numpy2-protocol4').subarray(0, 5000));
    const evil = pggan(t, ['import', python.path('evil-os-system-4'), folder('refused'), '--kimg', '1']);
    assert.equal((await evil.ended).code, 2);
    assert.match(
      evil.errors.join('\n'),
      /^error: SnapshotInvalid: evil-os-system-4\.pkl, byte \d+: the pickle names "posix\.system", .*nothing of the file was run/,
    );
    await assert.rejects(importCommand(damaged, folder('refused'), {}), {
      code: 'SnapshotInvalid',
      message: /^network-snapshot-000001\.pkl, byte \d+: /,
    });
    await assert.rejects(importCommand(folder('no-such-file.pkl'), folder('refused'), {}), {
      code: 'SnapshotInvalid',
      message: /no-such-file\.pkl cannot be read: ENOENT/,
    });
    assert.deepEqual(existsSync(folder('refused')) ? readdirSync(folder('refused')) : [], []);
    assert.equal(existsSync(join(python.folder, 'was-run')), false);
  });
});

/** How far the model argv[1] is from the original's images of its latents, in argv[2]. */
const COMPARE_ONNX = `
import sys
import numpy as np, onnxruntime
from safetensors.numpy import load_file
expected = load_file(sys.argv[2])
images = onnxruntime.InferenceSession(sys.argv[1], providers=['CPUExecutionProvider']).run(['images'], {'latents': expected['latents']})[0]
print(np.abs(images - expected['Gs_images']).max())
`;

const READ_SAFETENSORS = `
import json, sys
from safetensors import safe_open
with safe_open(sys.argv[1] + '/generator-ema.safetensors', 'np') as file:
    print(json.dumps(dict(names=list(file.keys()), metadata=file.metadata())))
`;

const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

/** Weights of the averaged generator of a checkpoint by name. */
function averageOf(checkpoint: CheckpointFolder): ReadonlyMap<string, Float32Array> {
  const path = join(checkpoint.folder, partOf(checkpoint, 'generator-ema'));
  return new Map([...parseSafetensors(readFileSync(path), path).tensors].map(([name, tensor]) => [name, floatsOf(tensor, name)]));
}
