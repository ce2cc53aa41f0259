/**
 * `npm run test:node`: the way of a newcomer on a real node, with the project's own images under its own chart, real radiographs and a MinIO behind
 * TLS. Whatever befalls the training in between, it ends with the bits of the same manifest run by `npm start`.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';
import sharp from 'sharp';
import { stringify } from 'yaml';
import { checkpointManifest } from '../../trainer/checkpoint/format.ts';
import { openStore } from '../../trainer/checkpoint/open-store.ts';
import { until } from '../harness/kube.ts';
import { NODE_NAME } from '../harness/kubelet.ts';
import { nodeCondition, ready } from '../harness/node-cluster.ts';
import { pggan, succeeded } from '../harness/pggan.ts';
import { newestCheckpoint, uriOf } from '../harness/tiny-training.ts';
import { createAfterwards } from './afterwards.ts';
import { conditionOf, seen, type Seen, story } from './seen.ts';
import { NAMESPACE, PLACES, prepareNamespaces, RESOLUTION, type Stage, startStage, trainingOf } from './stage.ts';

/** Phases end after about 4,000, 12,000 and 32,000 images. */
const SPEC = {
  resolution: RESOLUTION,
  totalKimg: 32,
  schedule: { trainKimg: 4, transitionKimg: 4, minibatchBase: 16, tickKimgBase: 2 },
  checkpoints: { everyKimg: 2, everySeconds: 3600, keepLast: 2 },
};
const IMAGES = 6;

suite('a newcomer', () => {
  let stage: Stage | undefined;
  const times = story();
  const afterwards = createAfterwards();
  after(async () => {
    times.print();
    await afterwards.run();
  });

  /** Of a step of the way: the steps before it must have led there. */
  const at = (): Stage => stage ?? assert.fail('there is no cluster');
  const training = (): Promise<Seen> => seen(at().cluster.run, 'pgt', 'chests');
  /** The status once the training has shown so many images; it must not have stalled. */
  const past = async (images: number): Promise<NonNullable<Seen['status']>> => {
    for (;;) {
      const now = await training();
      assert.equal(conditionOf(now, 'Stalled')?.message, undefined);
      if (now.status && (now.status.progress?.images ?? 0) >= images) return now.status;
      await until(async () => JSON.stringify((await training()).status?.progress) !== JSON.stringify(now.status?.progress));
    }
  };
  const failures = async (): Promise<number> => (await training()).status?.failures ?? 0;
  /** A trainer's pod that runs, as soon as there is one. */
  const runningPod = async (except = ''): Promise<string> => {
    const selected = ['-n', NAMESPACE, '-l', 'app.kubernetes.io/component=training', '--field-selector=status.phase=Running'];
    let names: readonly string[] = [];
    await until(async () => {
      names = (await at().kubectl('get', 'pods', ...selected, '-o', 'name')).split('\n').filter((name) => name !== '' && name !== except);
      return names.length > 0;
    });
    return names[0] ?? '';
  };

  test('has a cluster with a node, a store, and radiographs in a bucket', async (t) => {
    stage = await times.of('cluster, store and dataset', () => startStage(afterwards.of(t)));
  });

  test('installs the chart; its pods are admitted under the restricted level and become ready', async () => {
    await prepareNamespaces(at());
    await times.of('chart installed, operator ready', () => at().release('install'));
  });

  test('applies a training, which begins to grow', async () => {
    await at().cluster.apply(trainingOf('chests', { ...SPEC, ...PLACES }));
    await times.of('from kubectl apply to the first images', () => past(1));
  });

  test('deletes a pod in the middle: another one goes on from its checkpoint, and no failure is counted', async () => {
    await past(6000);
    const pod = await runningPod();
    await times.of('pod deleted and replaced', async () => {
      await at().kubectl('delete', '-n', NAMESPACE, pod);
      await runningPod(pod);
      // The same phase, or it had ended before it was disturbed.
      await until(async () => (phaseOf(await training(), 8)?.attempts ?? 0) >= 2);
    });
    assert.equal(await failures(), 0);
  });

  test('drains the node: a disruption, no failure; the training goes on once there is room for it again', async () => {
    const { disruptions = 0 } = await past(13_000);
    await runningPod();
    await times.of('node drained and given back', async () => {
      await at().kubectl('drain', NODE_NAME, '--pod-selector=pggan.dev/training', '--delete-emptydir-data', '--timeout=120s');
      await until(async () => ((await training()).status?.disruptions ?? 0) > disruptions);
      await at().kubectl('uncordon', NODE_NAME);
      await runningPod();
    });
    assert.equal(await failures(), 0);
  });

  test('kills the kubelet: what runs goes on, and is seen again when the kubelet is back', async () => {
    const { cluster } = at();
    await past(16_000);
    await times.of('kubelet killed, missed and back', async () => {
      await cluster.kubelet.kill();
      await until(async () => (await nodeCondition(cluster.run)) === 'Unknown');
      cluster.kubelet.restart();
      await ready(cluster);
    });
    assert.equal(await failures(), 0);
  });

  test('restarts MinIO: the training waits for it, and no failure is counted', async () => {
    const { server } = at();
    const { progress } = await past(19_000);
    await server.kill();
    await server.start();
    await past((progress?.images ?? 0) + 2000);
    assert.equal(await failures(), 0);
  });

  test('upgrades the chart: operator and default image change under a training that keeps its own and goes on', async () => {
    const { cluster, release } = at();
    await cluster.engine.tag('localhost/pggan-trainer:0.1.0', 'localhost/pggan-trainer:next');
    const { status } = await training();
    await times.of('chart upgraded', () => release('upgrade', '--set', 'trainerImage.tag=next', '--set', 'podAnnotations.upgraded=yes'));
    const later = await past(Math.min(SPEC.totalKimg * 1000, (status?.progress?.images ?? 0) + 500));
    assert.equal(later.image, 'localhost/pggan-trainer:0.1.0');
  });

  test('draws with what has grown: a SynthesisJob, whose PNGs are in the bucket', async () => {
    const { cluster, server, kubectl } = at();
    await times.of('training succeeded', () => until(async () => conditionOf(await training(), 'Succeeded')?.status === 'True'));
    const spec = { trainingRef: { name: 'chests' }, count: IMAGES, shards: 2, seed: 1, threads: 1, output: { uri: 's3://pggan/drawn' } };
    await cluster.apply({
      apiVersion: 'pggan.dev/v1alpha1',
      kind: 'SynthesisJob',
      metadata: { name: 'drawn', namespace: NAMESPACE },
      spec,
    });
    await times.of('images drawn', () => kubectl('wait', '-n', NAMESPACE, '--for=condition=Succeeded', 'synth/drawn', '--timeout=300s'));
    const drawn = openStore(`s3://pggan/drawn/${NAMESPACE}/drawn`, { s3: server.options });
    const files = (await drawn.list('images/')).map(({ key }) => key);
    assert.equal(files.length, IMAGES);
    for (const file of files) {
      const { width, height, channels } = await sharp((await drawn.read(file)) ?? assert.fail(file)).metadata();
      assert.deepEqual([width, height, channels], [RESOLUTION, RESOLUTION, 1]);
    }
  });

  test('runs the same manifest by npm start, and gets the same weights', async (t) => {
    const { workspace, dataset, server } = at();
    const file = join(workspace.folder, 'chests.yaml');
    const output = join(workspace.folder, 'runs');
    writeFileSync(file, stringify(trainingOf('chests', { ...SPEC, dataset: { uri: uriOf(dataset) }, output: { uri: uriOf(output) } })));
    await times.of('npm start', () => succeeded(pggan(t, ['start', file])));
    const newest = newestCheckpoint(join(output, NAMESPACE, 'chests'));
    const { status } = await training();
    assert.equal(status?.checkpoint?.images, newest?.images);
    // The digest in the status is that of checkpoint.json, which tells of times too.
    const saved = openStore(status?.checkpoint?.uri ?? assert.fail('no checkpoint'), { s3: server.options });
    const manifest: unknown = JSON.parse(String(await saved.read('checkpoint.json')));
    const { weightsDigest } = checkpointManifest.parse(manifest);
    assert.equal(weightsDigest, newest?.manifest.weightsDigest);
    process.stdout.write(`# weights of both: ${weightsDigest}\n`);
    assert.equal(status?.failures ?? 0, 0);
    assert.ok((status?.resumes ?? 0) >= 2);
  });
});

function phaseOf({ status }: Seen, resolution: number) {
  return status?.phases?.find((phase) => phase.resolution === resolution);
}
