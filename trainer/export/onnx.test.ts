import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { judge } from '../../test/harness/judge.ts';
import { prepareBackend } from '../backend/backend.ts';
import { temporaryFolder } from '../checkpoint/test-checkpoints.ts';
import { generatorLayers } from './layers.ts';
import { onnxGenerator } from './onnx.ts';
import { generatorCases } from './test-generators.ts';

before(async () => {
  assert.equal((await prepareBackend({ threads: 2, want: 'native' })).kind, 'native');
});

/** What onnxruntime makes of each model: its signature, and how far its images are from the expected ones, for all rows at once and for one alone. */
const ONNXRUNTIME = `
import json, sys
import numpy as np, onnxruntime
options = onnxruntime.SessionOptions()
options.log_severity_level = 3
said = {}
for name in sys.argv[2:]:
    path = sys.argv[1] + '/' + name
    session = onnxruntime.InferenceSession(path + '.onnx', options, providers=['CPUExecutionProvider'])
    given = json.load(open(path + '.json'))
    read = lambda key: np.frombuffer(bytes.fromhex(given[key]['hex']), '<f4').reshape(given[key]['shape'])
    feeds = {key.name: read(key.name) for key in session.get_inputs()}
    expected = read('images').transpose(0, 3, 1, 2)
    images = session.run(['images'], feeds)[0]
    alone = session.run(['images'], {key: value[1:2] for key, value in feeds.items()})[0]
    meta = session.get_modelmeta()
    said[name] = dict(inputs={i.name: i.shape for i in session.get_inputs()}, outputs={o.name: o.shape for o in session.get_outputs()},
        difference=float(np.abs(images - expected).max()), alone=float(np.abs(alone - expected[1:2]).max()), largest=float(np.abs(expected).max()),
        producer=meta.producer_name, metadata=meta.custom_metadata_map)
print(json.dumps(said))
`;
type Said = {
  readonly inputs: Readonly<Record<string, readonly (number | string)[]>>;
  readonly outputs: Readonly<Record<string, readonly (number | string)[]>>;
  readonly difference: number;
  readonly alone: number;
  readonly largest: number;
  readonly producer: string;
  readonly metadata: Readonly<Record<string, string>>;
};

test('onnxruntime makes the images of every kind of generator, grown or within a fade-in, for any number of latents', async (t) => {
  const cases = generatorCases(t);
  if (!cases) return;
  const folder = await temporaryFolder(t);
  for (const { name, shape, weights, lod, count, latents, labels, images } of cases) {
    const layers = generatorLayers(shape, weights, lod);
    const options = { version: '0', description: 'a test', metadata: { notice: 'not for diagnosis' } };
    writeFileSync(join(folder, `${name}.onnx`), Buffer.concat(onnxGenerator(layers, options)));
    const given = {
      latents: tensor(latents, [count, shape.latentSize]),
      ...(labels ? { labels: tensor(labels, [count, shape.labelSize]) } : {}),
      images: tensor(images, [count, layers.resolution, layers.resolution, shape.channels]),
    };
    writeFileSync(join(folder, `${name}.json`), JSON.stringify(given));
  }
  const out = judge(t, ONNXRUNTIME, [folder, ...cases.map(({ name }) => name)]);
  if (out === undefined) return;
  const said = JSON.parse(out) as Readonly<Record<string, Said>>;
  for (const { name, shape, lod } of cases) {
    const { inputs, outputs, difference, alone, largest, producer, metadata } = said[name] ?? assert.fail(`nothing was said of ${name}`);
    const side = shape.resolution / 2 ** Math.floor(lod);
    assert.deepEqual(inputs, { latents: ['N', shape.latentSize], ...(shape.labelSize > 0 ? { labels: ['N', shape.labelSize] } : {}) });
    assert.deepEqual(outputs, { images: ['N', shape.channels, side, side] });
    assert.deepEqual([producer, metadata], ['pggan-operator', { notice: 'not for diagnosis' }]);
    assert(difference <= 1e-5 * Math.max(1, largest), `${name} is off by ${difference} (images up to ${largest})`);
    assert(alone <= 1e-5 * Math.max(1, largest), `${name}: one latent alone is off by ${alone}`);
    assert(largest > 0.05, `${name} shows nothing`);
  }
});

const tensor = (values: Float32Array, shape: readonly number[]) => ({ hex: Buffer.from(values.buffer).toString('hex'), shape });
