/** With every switch of the networks off, other groups, minibatches and colour, our numbers are those of the Python twin, by way of a golden case that it fills in. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, type TestContext, test } from 'node:test';
import { LOSS_DEFAULTS, NETWORK_DEFAULTS, OPTIMIZER_DEFAULTS } from '../crds/run.ts';
import { judgePackages } from '../test/harness/judge.ts';
import { prepareBackend } from '../trainer/backend/backend.ts';
import {
  parseSafetensors,
  serializeSafetensors,
  type StoredTensor,
  storedFloats,
  type TensorTable,
} from '../trainer/checkpoint/safetensors.ts';
import { readGoldenCase } from '../trainer/golden/case.ts';
import { beyondTolerance, NATIVE_TOLERANCES } from '../trainer/golden/deviations.ts';
import { replayLosses } from '../trainer/golden/replay-losses.ts';
import { replayTraining } from '../trainer/golden/replay-training.ts';
import { discriminatorWeights, generatorWeights, type NetworkShapes } from '../trainer/networks/weights.ts';
import { createRandom } from '../trainer/train/random.ts';
import { shapesOf } from '../trainer/train/step-options.ts';
import { startTwin, twinCase } from './twin.ts';

/** Our options of both networks and of each, beside the reference's keywords for it. */
const CASES = [
  {
    what: 'colour, groups of 2 in a minibatch of 6, neither leaky ReLU nor normalised latents, in G alone no fused kernels, in D alone slower decay of feature maps',
    minibatch: 6,
    options: { channels: 3 },
    G: {
      options: { useLeakyRelu: false, normalizeLatents: false, fusedScale: false },
      keywords: { use_leakyrelu: false, normalize_latents: false, fused_scale: false },
    },
    D: { options: { mbstdGroupSize: 2, fmapDecay: 0.5 }, keywords: { mbstd_group_size: 2, fmap_decay: 0.5 } },
  },
  {
    what: 'no statistics, no scaled weights, another epsilon, labels, a minibatch of 3',
    minibatch: 3,
    options: { useWscale: false, labelSize: 2 },
    G: { options: { pixelnormEpsilon: 1e-4 }, keywords: { use_wscale: false, pixelnorm_epsilon: 1e-4 } },
    D: { options: { mbstdGroupSize: 0 }, keywords: { mbstd_group_size: 0, use_wscale: false } },
  },
] as const;

before(async () => {
  assert.equal((await prepareBackend({ threads: 2, want: 'native' })).kind, 'native');
});

for (const { what, minibatch, options, G, D } of CASES) {
  test(`${what}: images, terms, gradients and three training iterations are the twin's`, async (t) => {
    const small = { ...NETWORK_DEFAULTS, fmapBase: 64, fmapMax: 16, latentSize: 16, resolution: 8, labelSize: 0, ...options };
    const shapes: NetworkShapes = { G: { ...small, ...G.options }, D: { ...small, ...D.options } };
    const kwargs = { G_kwargs: JSON.stringify(G.keywords), D_kwargs: JSON.stringify(D.keywords) };
    const file = await filledByTwin(t, shapes, minibatch, kwargs);
    if (!file) return;
    const golden = readGoldenCase(await readFile(file), file);
    assert.deepEqual(shapesOf(golden), shapes, 'the metadata says which networks these are');
    for (const mode of ['eager', 'graph'] as const) {
      for (const lod of golden.lods) assert.deepEqual(beyondTolerance(replayLosses(golden, lod, mode, NATIVE_TOLERANCES)), []);
      for (const lod of golden.trainLods) assert.deepEqual(beyondTolerance(replayTraining(golden, lod, mode, NATIVE_TOLERANCES)), []);
    }
  });
}

const LODS = [0, 0.25];
const TRAIN_LODS = [0];

/** A golden case whose inputs are drawn and whose results the twin computes; undefined where it cannot run and the test is skipped. */
async function filledByTwin(t: TestContext, shapes: NetworkShapes, minibatch: number, kwargs: Readonly<Record<string, string>>) {
  const twin = judgePackages(t) === undefined ? undefined : startTwin(2);
  if (!twin) return undefined;
  t.after(() => twin.close());
  const folder = await mkdtemp(join(tmpdir(), 'pggan-switches-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const [input, found, file] = ['input', 'found', 'case'].map((name) => join(folder, `${name}.safetensors`)) as [string, string, string];
  const inputs = drawnInputs(shapes, minibatch);
  await writeFile(input, serializeSafetensors(inputs));
  const step = {
    shape: shapes.G,
    shapeD: shapes.D,
    loss: LOSS_DEFAULTS,
    optimizer: OPTIMIZER_DEFAULTS,
    averagingDecay: 0.999,
    precision: 'Float32',
    mirrorAugment: false,
  } as const;
  const cases = (lods: readonly number[]) =>
    Object.fromEntries(
      lods.map((lod) => [
        String(lod),
        twinCase(
          step,
          { resolution: shapes.G.resolution / 2 ** Math.floor(lod), minibatch, fading: lod % 1 > 0 },
          { xla: false, learningRate: 0.001 },
        ),
      ]),
    );
  await twin.ask({ golden: input, out: found, losses: cases(LODS), training: cases(TRAIN_LODS) });
  const results = parseSafetensors(await readFile(found), found).tensors;
  await writeFile(
    file,
    serializeSafetensors(new Map([...inputs, ...unusedWeights(inputs), ...results]), { ...metadataOf(shapes), ...kwargs }),
  );
  return file;
}

/** What the twin, which has no weights that a level of detail leaves out, does not tell of them: no gradient, and they stay as they are. */
function unusedWeights(inputs: TensorTable): TensorTable {
  const weights = [...inputs].flatMap(([key, tensor]) => {
    const [, network, name] = /^weights\/([GD])\/(.*)$/.exec(key) ?? [];
    return network && name ? [{ network, name, tensor, zeros: { ...tensor, data: new Uint8Array(tensor.data.length) } }] : [];
  });
  return new Map(
    weights.flatMap(({ network, name, tensor, zeros }) => [
      ...LODS.map((lod) => [`lod${lod}/grad/${network}/${name}`, zeros] as const),
      ...TRAIN_LODS.flatMap((lod) => [
        [`train_lod${lod}/after/${network}/${name}`, tensor] as const,
        [`train_lod${lod}/adam_m/${network}/${name}`, zeros] as const,
        [`train_lod${lod}/adam_v/${network}/${name}`, zeros] as const,
        ...(network === 'G' ? [[`train_lod${lod}/after/Gs/${name}`, tensor] as const] : []),
      ]),
    ]),
  );
}

const namesOf = (specs: readonly { readonly name: string }[]): string => JSON.stringify(specs.map(({ name }) => name));

function metadataOf({ G: shape, D }: NetworkShapes): Readonly<Record<string, string>> {
  return {
    case: 'switches',
    num_channels: String(shape.channels),
    resolution: String(shape.resolution),
    label_size: String(shape.labelSize),
    fmap_base: String(shape.fmapBase),
    fmap_max: String(shape.fmapMax),
    latent_size: String(shape.latentSize),
    lods: JSON.stringify(LODS),
    train_lods: JSON.stringify(TRAIN_LODS),
    G_trainables: namesOf(generatorWeights(shape)),
    D_trainables: namesOf(discriminatorWeights(D)),
  };
}

/** Weights as drawn for a new network, biases that matter, and for each level of detail what the golden cases feed. */
function drawnInputs(shapes: NetworkShapes, n: number): TensorTable {
  const random = createRandom(9);
  const normal = (name: string, dimensions: readonly number[], std = 1): StoredTensor =>
    storedFloats(
      dimensions,
      random
        .normal(
          name,
          0,
          dimensions.reduce((a, b) => a * b, 1),
        )
        .map((x) => x * std),
    );
  const weights = (['G', 'D'] as const).flatMap((network) =>
    (network === 'G' ? generatorWeights(shapes.G) : discriminatorWeights(shapes.D)).map(({ name, shape: dimensions, init }) => {
      const key = `weights/${network}/${name}`;
      return [key, normal(key, dimensions, init.kind === 'normal' ? init.std : 0.1)] as const;
    }),
  );
  const { channels, resolution: r, latentSize, labelSize } = shapes.G;
  const pixels = (name: string): StoredTensor =>
    storedFloats(
      [n, channels, r, r],
      Float32Array.from(random.integers(name, 0, n * channels * r * r, 256), (pixel) => pixel / 127.5 - 1),
    );
  const oneHot = (name: string): StoredTensor => {
    const classes = random.integers(name, 0, n, labelSize);
    return storedFloats(
      [n, labelSize],
      Float32Array.from({ length: n * labelSize }, (_, i) => (classes[Math.floor(i / labelSize)] === i % labelSize ? 1 : 0)),
    );
  };
  const places = [
    ...LODS.map((lod) => `lod${lod}/in`),
    ...TRAIN_LODS.flatMap((lod) => [0, 1, 2].map((at) => `train_lod${lod}/it${at}/in`)),
  ];
  const fed = places.flatMap((at): (readonly [string, StoredTensor])[] => [
    [`${at}/reals`, pixels(`${at}/reals`)],
    [`${at}/latD`, normal(`${at}/latD`, [n, latentSize])],
    [`${at}/latG`, normal(`${at}/latG`, [n, latentSize])],
    [`${at}/u`, storedFloats([n, 1, 1, 1], random.uniform(`${at}/u`, 0, n))],
    ...(labelSize > 0
      ? ([
          [`${at}/labD`, oneHot(`${at}/labD`)],
          [`${at}/labG`, oneHot(`${at}/labG`)],
        ] as const)
      : []),
  ]);
  return new Map([...weights, ...fed]);
}
