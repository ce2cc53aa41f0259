/** The operator with everything in a MinIO behind TLS: dataset, checkpoints and synthetic images; and what kubectl does with its objects. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import sharp from 'sharp';
import { SYNTHESIS_JOBS } from '../operator/synthesis/stored.ts';
import { openStore } from '../trainer/checkpoint/open-store.ts';
import { startObjectStore } from './harness/object-store.ts';
import { apply, current, install, stage } from './harness/operator-stage.ts';
import { startOperator } from './harness/operator-process.ts';
import { pggan, succeeded } from './harness/pggan.ts';

const RESOLUTION = 8;
const IMAGES = 5;

test('a training and its synthesis live in an object store behind TLS; kubectl waits, selects and finds nothing to change; no secret shows', async (t) => {
  const at = await stage(t, RESOLUTION);
  const server = at && (await startObjectStore(t, 'minio', { tls: true }));
  if (!at || !server) return;
  const { plane, kube, namespace, run, workspace } = at;
  Object.assign(process.env, server.env);
  const { accessKey, secretKey } = server.credentials;
  const bucket = `s3://${server.bucket}`;
  await succeeded(pggan(t, ['dataset', 'upload', workspace.dataset, `${bucket}/phantoms`], { env: server.env }));

  await install(at);
  const operator = startOperator(t, plane, namespace);
  const object = (kind: string, apiVersion: string, name: string, rest: object): string =>
    JSON.stringify({ apiVersion, kind, metadata: { name, namespace }, ...rest });
  const authority = readFileSync(server.env['PGGAN_STORE_CA'] ?? assert.fail(), 'utf8');
  await apply(at, object('Secret', 'v1', 'minio', { stringData: { accessKey, secretKey } }));
  await apply(at, object('ConfigMap', 'v1', 'minio-ca', { data: { 'ca.crt': authority } }));
  const store = { endpoint: server.endpoint, credentialsSecretRef: { name: 'minio' }, caConfigMapRef: { name: 'minio-ca' } };
  const local = JSON.parse(readFileSync(workspace.manifest('tiny', 'runs', { totalKimg: 3 }), 'utf8')) as { readonly spec: object };
  const places = { dataset: { uri: `${bucket}/phantoms` }, output: { uri: `${bucket}/runs` }, store };
  const training = object('PGGANTraining', 'pggan.dev/v1alpha1', 'tiny', { spec: { ...local.spec, ...places } });
  await apply(at, training);
  const drawn = { trainingRef: { name: 'tiny' }, count: IMAGES, shards: 2, seed: 1, threads: 1, output: { uri: `${bucket}/drawn` } };
  await apply(at, object('SynthesisJob', 'pggan.dev/v1alpha1', 'drawn', { spec: drawn }));

  for (const name of ['pgt/tiny', 'synthesisjob/drawn']) {
    const waited = await run(['wait', '-n', namespace, '--for=condition=Succeeded', name, '--timeout=500s']);
    assert.equal(waited.code, 0, `${waited.stderr} ${JSON.stringify((await current(at, 'tiny')).status?.conditions)}`);
  }
  const diff = await run(['diff', '-f', '-'], training);
  assert.deepEqual([diff.code, diff.stdout], [0, ''], diff.stderr);
  const selected = async (selector: string): Promise<string> =>
    (await run(['get', 'pgt', '-n', namespace, `--field-selector=${selector}`, '-o', 'name'])).stdout.trim();
  assert.equal(await selected(`spec.resolution=${RESOLUTION}`), 'pggantraining.pggan.dev/tiny');
  assert.equal(await selected('spec.suspend=true'), '');
  const explained = await run(['explain', 'pgt.spec.checkpoints.keepLast']);
  assert.match(explained.stdout, /Checkpoints to keep besides the one at the end of each phase/);

  const { status } = await current(at, 'tiny');
  assert.equal(
    status?.checkpoint?.uri,
    `${bucket}/runs/${namespace}/tiny/checkpoints/${String(status?.checkpoint?.images).padStart(12, '0')}`,
  );
  const images = openStore(`${bucket}/drawn/${namespace}/drawn`, { s3: server.options });
  const files = (await images.list('images/')).map(({ key }) => key);
  assert.equal(files.length, IMAGES);
  for (const file of files) {
    const { width, height, channels } = await sharp((await images.read(file)) ?? assert.fail(file)).metadata();
    assert.deepEqual([width, height, channels], [RESOLUTION, RESOLUTION, 1]);
  }
  const { status: synthesis } = await kube.get(SYNTHESIS_JOBS, { namespace, name: 'drawn' });
  const manifest = (await images.read('manifest.json')) ?? assert.fail('no manifest');
  assert.equal(synthesis?.manifest?.digest, createHash('sha256').update(manifest).digest('hex'));

  const everything = await run(['get', 'pgt,synthesisjobs,jobs,pods,events', '-n', namespace, '-o', 'json', '--show-managed-fields']);
  assert.ok(everything.stdout.includes('"minio-ca"'));
  const logs = operator.output();
  for (const [where, text] of [
    ['an object', everything.stdout],
    ['the log of the operator', logs],
  ] as const)
    assert.ok(!text.includes(secretKey) && !text.includes(Buffer.from(secretKey).toString('base64')), `the secret key shows in ${where}`);
});
