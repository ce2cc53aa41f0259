import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import * as tf from '@tensorflow/tfjs';
import { shared } from '../../../test/harness/shared.ts';
import { PgganError } from '../../../crds/errors.ts';
import { prepareBackend } from '../../backend/backend.ts';
import { discriminator } from '../../networks/discriminator.ts';
import { generator } from '../../networks/generator.ts';
import type { Weights } from '../../networks/weights.ts';
import { parseSafetensors, floatsOf } from '../safetensors.ts';
import type { Tensor } from './numpy.ts';
import { readSnapshot } from './snapshot.ts';
import { pythonSnapshots, TINY, TINY_LOD } from './test-snapshots.ts';

const GOLDEN = 'golden/pickle/network-snapshot-000010.pkl';

before(async () => {
  assert.equal((await prepareBackend({ threads: 2, want: 'native' })).kind, 'native');
});

test('the networks of a snapshot that the original wrote make its images and its scores', (t) => {
  const path = shared(t, GOLDEN);
  const expectedPath = shared(t, 'golden/pickle/expected.safetensors');
  if (path === undefined || expectedPath === undefined) return;
  const snapshot = readSnapshot(readFileSync(path), path);
  const { tensors } = parseSafetensors(readFileSync(expectedPath), expectedPath);
  const expected = (name: string): tf.Tensor => {
    const stored = tensors.get(name);
    assert(stored, `${expectedPath} has no ${name}`);
    return tf.tensor(floatsOf(stored, name), [...stored.shape]);
  };
  const { shape, lod } = snapshot;
  assert.deepEqual([shape.resolution, shape.latentSize, shape.labelSize, lod], [16, 16, 0, 0.25]);

  const level = { resolution: shape.resolution / 2 ** Math.floor(lod), fade: tf.scalar(lod % 1) };
  const latents = expected('latents') as tf.Tensor2D;
  const imagesOf = (table: ReadonlyMap<string, Tensor>): tf.Tensor4D => generator(shape, weightsOf(table), { latents, ...level });
  const images = imagesOf(snapshot.generator);
  assertWithin(channelsFirst(images), expected('G_images'), 1e-5, 'G(z)');
  assertWithin(channelsFirst(imagesOf(snapshot.generatorEma)), expected('Gs_images'), 1e-5, 'Gs(z)');
  const { scores } = discriminator(shape, weightsOf(snapshot.discriminator), images, level);
  assertWithin(scores, expected('D_of_G_images'), 1e-5, 'D(G(z))');
});

test('the same networks pickled by NumPy 1 and by NumPy 2, in protocols 2 to 5, are read to the same bits', (t) => {
  const python = pythonSnapshots(t);
  if (!python) return;
  const marks = { numpy1: 'numpy.core', numpy2: 'numpy._core' };
  for (const [numpy, mark] of Object.entries(marks)) {
    for (const protocol of [2, 3, 4, 5]) {
      const bytes = python.read(`${numpy}-protocol${protocol}`);
      assert.equal(bytes[1], protocol);
      assert(bytes.includes(mark));
      assert.equal(bytes.includes(`${mark}.numeric`), protocol === 5, 'protocol 5 has another way to write arrays');
      const snapshot = readSnapshot(bytes, 'x.pkl');
      assert.deepEqual([snapshot.shape, snapshot.lod], [TINY, TINY_LOD]);
      assert.equal(snapshot.sha256, sha256(bytes));
      assert.deepEqual(digests(snapshot.generator), python.digests.G);
      assert.deepEqual(digests(snapshot.discriminator), python.digests.D);
      assert.deepEqual(digests(snapshot.generatorEma), python.digests.Gs);
    }
  }
  assert.deepEqual(readSnapshot(python.read('ordered-dict'), 'x.pkl').shape, TINY);
});

const DAMAGES: Readonly<Record<string, RegExp>> = {
  'two-networks': /a snapshot is a tuple \(G, D, Gs\), this is a tuple of 2/,
  'no-tuple': /this is a list of 3/,
  'no-network': /G should be a tfutil.Network .* an object of numpy\._?core\.multiarray\._reconstruct/,
  'version-3': /version of its state is 3, 2 is read/,
  'other-builder': /G was built by G_stylegan, only G_paper is known/,
  'no-variables': /variables should be a list but is None/,
  'unknown-option': /G was built with use_truncation/,
  'option-of-text': /G: fmap_base should be a whole number .* but is the text "8192"/,
  'options-apart': /fmapMax is 8 in G and 4 in D/,
  'average-apart': /Gs was built with other options than G/,
  'resolution-12': /resolution is 12/,
  'resolution-huge': /resolution is 1099511627776/,
  'channels-4': /4 channels/,
  'proto-option': /built with __proto__/,
  float64: /4x4\/Dense\/bias has the dtype "f8"/,
  'big-endian': /4x4\/Dense\/bias has the byte order ">"/,
  float16: /4x4\/Dense\/bias has the dtype "f2"/,
  objects: /4x4\/Dense\/bias has the dtype "O8"/,
  fortran: /4x4\/Conv\/weight lies in memory in Fortran order/,
  'fortran-protocol5': /4x4\/Conv\/weight lies in memory in order "F"/,
  'other-shape': /G\/4x4\/Dense\/bias has the shape \[7\] instead of \[8\]/,
  'not-a-number': /4x4\/Dense\/bias holds numbers that are not finite/,
  'list-for-array': /4x4\/Dense\/bias should be an array but is a list of 8/,
  'out-of-band': /out-of-band/,
  'lod-9': /Gs stands at lod 9: 0 to 1 are possible/,
  missing: /G\/ToRGB_lod0\/bias is missing/,
  twice: /G\/4x4\/Dense\/weight is there twice/,
  'unknown-variable': /G\/4x4\/Extra\/weight is no variable/,
  'no-lod': /Gs has no variable lod/,
  'array-bomb': /larger than the file/,
};

test('a snapshot that is wrong in one respect is refused with file, byte and what was found', (t) => {
  const python = pythonSnapshots(t);
  if (!python) return;
  for (const [name, message] of Object.entries(DAMAGES)) {
    assert.throws(
      () => readSnapshot(python.read(name), `${name}.pkl`),
      (error: unknown) => {
        assert(error instanceof PgganError, `${name}: ${String(error)}`);
        assert.equal(error.code, 'SnapshotInvalid');
        assert.match(error.message, new RegExp(`^${name}\\.pkl, byte \\d+: `));
        assert.match(error.message, message);
        return true;
      },
    );
  }
});

test('a pickle that would run something is refused by the name of what it would run, and nothing is run', (t) => {
  const python = pythonSnapshots(t);
  if (!python) return;
  const names = {
    'os-system': 'posix.system',
    eval: '(builtins|__builtin__).eval',
    exec: '(builtins|__builtin__).exec',
    getattr: '(builtins|__builtin__).getattr',
    popen: '(subprocess|commands).Popen',
    partial: 'functools.partial',
    import: '(builtins|__builtin__).__import__',
    attrgetter: 'operator.attrgetter',
  };
  for (const [name, called] of Object.entries(names)) {
    for (const protocol of [2, 4])
      assert.throws(() => readSnapshot(python.read(`evil-${name}-${protocol}`), 'x.pkl'), {
        code: 'SnapshotInvalid',
        message: new RegExp(`^x\\.pkl, byte \\d+: the pickle names "${called}", .*nothing of the file was run`),
      });
  }
  assert.equal(existsSync(join(python.folder, 'was-run')), false);
});

test('every byte of a snapshot may be torn off or changed: what comes back is an error with a code, or a snapshot', (t) => {
  const python = pythonSnapshots(t);
  if (!python) return;
  for (const name of ['numpy2-protocol2', 'numpy2-protocol5']) {
    const whole: Buffer = python.read(name);
    for (let length = 0; length < whole.length; length += 97)
      assert.throws(() => readSnapshot(whole.subarray(0, length), 'x.pkl'), { code: 'SnapshotInvalid' });
    for (let at = 0; at < whole.length; at += 53) {
      const changed: Buffer = Buffer.from(whole);
      changed[at] = (changed[at] ?? 0) ^ (1 + (at % 255));
      try {
        assert.deepEqual(readSnapshot(changed, 'x.pkl').shape.resolution, 8);
      } catch (error) {
        assert(error instanceof PgganError && error.code === 'SnapshotInvalid', `byte ${at}: ${String(error)}`);
      }
    }
  }
});

const weightsOf = (table: ReadonlyMap<string, Tensor>): Weights => {
  const tensors = new Map([...table].map(([name, { shape, data }]) => [name, tf.tensor(data, [...shape])]));
  return (name) => tensors.get(name) ?? assert.fail(`no weight ${name}`);
};
const channelsFirst = (images: tf.Tensor4D): tf.Tensor4D => tf.transpose(images, [0, 3, 1, 2]);
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const digests = (table: ReadonlyMap<string, Tensor>) =>
  Object.fromEntries([...table].map(([name, { data }]) => [name, sha256(new Uint8Array(data.buffer))]));

function assertWithin(actual: tf.Tensor, expected: tf.Tensor, tolerance: number, what: string): void {
  assert.deepEqual(actual.shape, expected.shape, what);
  const difference = tf.max(tf.abs(tf.sub(actual, expected))).dataSync()[0] ?? Number.NaN;
  assert.ok(difference <= tolerance, `${what} is off by ${difference}`);
}
