/** The other backend: WebAssembly trains when it is asked for, and stands in for a native one that cannot be loaded, never in silence. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { assertEqualWeights } from './harness/compare.ts';
import { type Command, pggan, succeeded } from './harness/pggan.ts';
import { createWorkspace, newestCheckpoint, stateOf, type Workspace } from './harness/tiny-training.ts';

/** A few dozen steps of a network of 4x4 pixels. */
const SPEC = { totalKimg: 1, schedule: { minibatchBase: 32, tickKimgBase: 1 } };

suite('without the native backend', { concurrency: false }, () => {
  let workspace: Workspace;
  /** Environment in which the addon's library cannot be loaded: found first, and empty. */
  let broken: Readonly<Record<string, string>>;
  before(async () => {
    workspace = await createWorkspace(4);
    const folder = join(workspace.folder, 'broken');
    mkdirSync(folder);
    writeFileSync(join(folder, 'libtensorflow_cc.so.2'), '');
    broken = { LD_LIBRARY_PATH: folder };
  });
  after(() => workspace.remove());

  const start = (output: string, spec: object = SPEC): readonly string[] => ['start', workspace.manifest('tiny', output, { ...spec })];
  const backendOf = (output: string): unknown => {
    const newest = newestCheckpoint(workspace.runFolder('tiny', output)) ?? assert.fail('nothing was trained');
    return stateOf(newest).environment['kind'];
  };

  test('a training that asks for WebAssembly gets it, and no warning', async (t) => {
    const asked = pggan(t, start('asked'), { env: { PGGAN_BACKEND: 'wasm' } });
    await succeeded(asked);
    assert.equal(backendOf('asked'), 'wasm');
    assert.equal(newestCheckpoint(workspace.runFolder('tiny', 'asked'))?.images, 1024);
    assert.deepEqual(warningsOf(asked), []);
    const [line = ''] = readFileSync(join(workspace.runFolder('tiny', 'asked'), 'metrics.jsonl'), 'utf8').split('\n');
    const { generatorFinite, gradientNorm } = JSON.parse(line) as { readonly generatorFinite: number; readonly gradientNorm: number };
    assert.equal(generatorFinite, 1, 'some updates were skipped');
    assert(gradientNorm > 0);
  });

  test('a training that cannot load TensorFlow trains with WebAssembly, to the same bits, and says what that costs', async (t) => {
    const fallen = pggan(t, start('fallen'), { env: { ...broken, PGGAN_BACKEND: 'auto' } });
    await succeeded(fallen);
    assert.equal(backendOf('fallen'), 'wasm');
    const [warning = '', ...others] = warningsOf(fallen);
    assert.match(
      warning,
      /no native TensorFlow backend \(.*libtensorflow_cc\.so\.2.*\): training with WebAssembly, which is 10 to 50 times slower/,
    );
    assert.deepEqual(others, [], 'said more than once');
    assertEqualWeights(workspace.runFolder('tiny', 'fallen'), workspace.runFolder('tiny', 'asked'));

    const drawn = pggan(t, ['synthesize', workspace.runFolder('tiny', 'fallen'), '--num-pngs', '1'], {
      env: { ...broken, PGGAN_BACKEND: 'auto' },
    });
    await succeeded(drawn);
    assert.match(warningsOf(drawn).join('\n'), /^warning: no native TensorFlow backend \(.*\)/, 'images are drawn slowly in silence');
  });

  test('a training that asks for TensorFlow and cannot load it is refused', async (t) => {
    const refused = pggan(t, start('refused'), { env: { ...broken, PGGAN_BACKEND: 'native' } });
    assert.equal((await refused.ended).code, 2);
    assert.match(refused.errors.join('\n'), /the native TensorFlow backend cannot be used: .*libtensorflow_cc\.so\.2/);
    assert(!existsSync(join(workspace.runFolder('tiny', 'refused'), 'checkpoints')));
  });

  test('a run that goes on with another backend than it began with says that its bits are no longer those', async (t) => {
    const changed = pggan(t, start('asked', { ...SPEC, totalKimg: 2 }), { env: { PGGAN_BACKEND: 'native' } });
    await succeeded(changed);
    assert.equal(backendOf('asked'), 'native');
    const said = warningsOf(changed).find((line) => /computed by the wasm backend, this process uses native/.test(line)) ?? '';
    assert.match(said, /not to the same bits/);
  });
});

const warningsOf = ({ lines }: Command): readonly string[] => lines.filter((line) => line.startsWith('warning: '));
