import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { before, test, type TestContext } from 'node:test';
import * as tf from '@tensorflow/tfjs';
import { prepareBackend } from '../backend/backend.ts';
import { generatorLayers } from './layers.ts';
import { generatorCases } from './test-generators.ts';
import { type ModelFiles, tfjsGenerator } from './tfjs.ts';

before(async () => {
  assert.equal((await prepareBackend({ threads: 2, want: 'native' })).kind, 'native');
});

test('TensorFlow.js, given nothing but the address of the files, makes the images of every kind of generator, for any number of latents', async (t) => {
  const cases = generatorCases(t);
  if (!cases) return;
  t.after(() => tf.setBackend('tensorflow'));
  await tf.setBackend('cpu');
  for (const { name, shape, weights, lod, count, latents, labels, images } of cases) {
    const files = tfjsGenerator(generatorLayers(shape, weights, lod), { version: '0', metadata: { notice: 'not for diagnosis' } });
    const model = await tf.loadGraphModel(await serve(t, files));
    const side = shape.resolution / 2 ** Math.floor(lod);
    assert.deepEqual(
      model.inputs.map(({ name, shape }) => [name, shape]),
      [['latents', [-1, shape.latentSize]], ...(shape.labelSize > 0 ? [['labels', [-1, shape.labelSize]]] : [])],
    );
    assert.deepEqual(model.metadata, { notice: 'not for diagnosis' });
    const made = (rows: number): { readonly shape: readonly number[]; readonly data: Float32Array } =>
      tf.tidy(() => {
        const input = {
          latents: tf.tensor2d(latents.subarray(0, rows * shape.latentSize), [rows, shape.latentSize]),
          ...(labels ? { labels: tf.tensor2d(labels.subarray(0, rows * shape.labelSize), [rows, shape.labelSize]) } : {}),
        };
        const out = model.execute(input, 'images') as tf.Tensor;
        return { shape: out.shape, data: out.dataSync<'float32'>() };
      });
    for (const rows of [count, 1]) {
      const { shape: madeShape, data } = made(rows);
      assert.deepEqual(madeShape, [rows, side, side, shape.channels]);
      const { difference, largest } = compare(data, images);
      assert(difference <= 1e-5 * Math.max(1, largest), `${name}, ${rows} rows: off by ${difference} (images up to ${largest})`);
    }
    model.dispose();
  }
});

test('weights are cut into shards of 4 MiB that a browser fetches and joins again', async (t) => {
  const data = Float32Array.from({ length: 3 * 1024 * 1024 }, (_, i) => i);
  const bias = { shape: [3], data: Float32Array.of(1, 2, 3) };
  const files = tfjsGenerator(
    {
      inputs: { latents: 1024 * 1024 },
      layers: [{ kind: 'dense', name: 'dense', from: ['latents'], kernel: { shape: [1024 * 1024, 3], data }, bias }],
      output: 'dense',
      resolution: 1,
      channels: 3,
    },
    { version: '0', metadata: {} },
  );
  const sizes = [...files].map(([name, parts]) => [name, Buffer.concat(parts).byteLength]).filter(([name]) => name !== 'model.json');
  const shard = 4 * 1024 * 1024;
  // 12 MiB of kernel, 12 bytes of bias and three numbers of the batch's slice.
  assert.deepEqual(sizes, [
    ['group1-shard1of4.bin', shard],
    ['group1-shard2of4.bin', shard],
    ['group1-shard3of4.bin', shard],
    ['group1-shard4of4.bin', 24],
  ]);
  t.after(() => tf.setBackend('tensorflow'));
  await tf.setBackend('cpu');
  const model = await tf.loadGraphModel(await serve(t, files));
  assert.deepEqual([...(model.weights['dense/weight']?.[0]?.dataSync().slice(-2) ?? [])], [data.length - 2, data.length - 1]);
  assert.deepEqual([...(model.weights['dense/bias']?.[0]?.dataSync() ?? [])], [1, 2, 3]);
  model.dispose();
});

/** Serves the files as any web server would; returns the address of model.json. */
async function serve(t: TestContext, files: ModelFiles): Promise<string> {
  const server = createServer((request, response) => {
    const parts = files.get(request.url?.slice(1) ?? '');
    if (!parts) return void response.writeHead(404).end();
    response.writeHead(200, { 'content-type': request.url === '/model.json' ? 'application/json' : 'application/octet-stream' });
    response.end(Buffer.concat(parts));
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  t.after(() => new Promise((closed) => server.close(closed).closeAllConnections()));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/model.json`;
}

function compare(actual: Float32Array, expected: Float32Array) {
  let [difference, largest] = [0, 0];
  for (const [i, value] of actual.entries()) {
    difference = Math.max(difference, Math.abs(value - (expected[i] ?? Number.NaN)));
    largest = Math.max(largest, Math.abs(value));
  }
  return { difference, largest };
}
