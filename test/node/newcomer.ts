/**
 * `npm run test:node`: the way of a newcomer on a real node, with the project's own images under its own chart, real radiographs and a MinIO behind
 * TLS. Whatever befalls the training in between, it ends with the bits of the same manifest run by `npm start`.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, suite, test, type TestContext } from 'node:test';
import sharp from 'sharp';
import { queriesOf } from '../../monitoring/boards/queries-of.ts';
import { trainingBoard } from '../../monitoring/boards/training.ts';
import { filledIn, plotTraining } from '../../monitoring/plot.ts';
import { checkpointManifest } from '../../trainer/checkpoint/format.ts';
import { openStore } from '../../trainer/checkpoint/open-store.ts';
import { auditEvents } from '../harness/audit.ts';
import { binary } from '../harness/binaries.ts';
import { CHART } from '../harness/helm.ts';
import { until } from '../harness/kube.ts';
import { NODE_NAME } from '../harness/kubelet.ts';
import { nodeCondition, ready } from '../harness/node-cluster.ts';
import { pggan, succeeded } from '../harness/pggan.ts';
import { inFile, type Prometheus, startPrometheus, targets } from '../harness/prometheus.ts';
import { newestCheckpoint, uriOf } from '../harness/tiny-training.ts';
import { createAfterwards } from './afterwards.ts';
import { conditionOf, keep, seen, type Seen, story } from './seen.ts';
import { NAMESPACE, prepareStore, type Stage, startStage } from './stage.ts';
import { createTerminal, type Edit, type Terminal } from './terminal.ts';

/** PGGAN_NEWCOMER=whole grows the quick start as it is, for some 25 minutes longer. */
const WHOLE = process.env['PGGAN_NEWCOMER'] === 'whole';
const MANIFEST = 'manifests/samples/quickstart.yaml';
/** All resolutions of the quick start in fewer images, the last for long enough to be disturbed all the way. */
const SHORTER: readonly Edit[] = [
  [/totalKimg: \d+/, 'totalKimg: 36'],
  [/trainKimg: \d+/, 'trainKimg: 2'],
  [/transitionKimg: \d+/, 'transitionKimg: 2'],
  [/tickKimgBase: \d+/, 'tickKimgBase: 1'],
  [/everyKimg: \d+, everySeconds: \d+/, 'everyKimg: 2, everySeconds: 3600'],
];
/** Images shown when something befalls it, of 36 thousand. */
const MOMENT = { pod: 13_000, drain: 16_000, kubelet: 18_000, store: 20_000 };
const scale = (images: number): number => (WHOLE ? Math.round((images * 80) / 36) : images);
const IMAGES = 32;
const RESOLUTION = 32;

const hasSucceeded = (now: Seen): boolean => conditionOf(now, 'Succeeded')?.status === 'True';

suite('a newcomer', () => {
  let stage: Stage | undefined;
  let terminal: Terminal | undefined;
  let prometheus: Prometheus | undefined;
  const began = Date.now() / 1000;
  const times = story();
  const afterwards = createAfterwards();
  after(async () => {
    times.print();
    await afterwards.run();
  });

  /** The step that did not come to its end: those after it have nothing to stand on. */
  let broken: string | undefined;
  const step = (name: string, work: (t: TestContext) => Promise<void>): void =>
    void test(name, { timeout: 1_200_000 }, async (t) => {
      assert.equal(broken, undefined, 'a step before this one has failed');
      broken = name;
      await work(t);
      broken = undefined;
    });
  const at = (): Stage => stage ?? assert.fail('there is no cluster');
  const readme = (): Terminal => terminal ?? assert.fail('there is no terminal');
  const training = (): Promise<Seen> => seen(at().cluster.run, 'pgt', 'quickstart');
  /** The status once the training has shown so many images and still goes on; it must not have stalled. */
  const past = async (images: number): Promise<NonNullable<Seen['status']>> => {
    for (;;) {
      const now = await training();
      assert.equal(conditionOf(now, 'Stalled')?.message, undefined);
      assert.ok(!hasSucceeded(now), 'the training was over before it could be disturbed: a larger totalKimg is needed');
      if (now.status && (now.status.progress?.images ?? 0) >= images) return now.status;
      await until(async () => JSON.stringify((await training()).status) !== JSON.stringify(now.status));
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
  /** Names the file in which Prometheus finds the operators; it looks again when that has changed. */
  const scraped = (): string => join(at().workspace.folder, 'operators.json');
  const pointPrometheus = async (): Promise<void> => {
    const addresses = await at().kubectl('get', 'pods', '-n', 'pggan-system', '-o', 'jsonpath={.items[*].status.podIP}');
    const all = addresses.split(' ').filter((address) => address !== '');
    writeFileSync(scraped(), targets(all.map((address) => `${address}:8081`)));
  };
  const listed = async (): Promise<string> => {
    const [narrow, wide] = [
      await at().kubectl('get', 'pgt', '-n', NAMESPACE),
      await at().kubectl('get', 'pgt', '-n', NAMESPACE, '-o', 'wide'),
    ];
    return `$ kubectl get pgt -n ${NAMESPACE}\n${narrow}\n$ kubectl get pgt -n ${NAMESPACE} -o wide\n${wide}`;
  };

  step('has a cluster with a node, a MinIO behind TLS, and a checkout', async (t) => {
    stage = await times.of('cluster and store', () => startStage(afterwards.of(t), { empty: true }));
    if (!stage) return;
    await prepareStore(stage);
    terminal = terminalAt(t, stage);
    if (!WHOLE) terminal.edit(MANIFEST, SHORTER);
  });

  step('installs the chart; its pods are admitted under the restricted level and become ready', async (t) => {
    await readme().type(/setup\.mjs/);
    await readme().type(/create namespace/);
    await readme().type(/label namespace/);
    // The test has to know when to disturb the training.
    await times.of('chart installed, operator ready', () => readme().type(/helm install/, [[/$/, ' --set pollSeconds=1 --wait']]));
    await times.of('helm test', () => readme().type(/helm test/));
    await pointPrometheus();
    prometheus = await startPrometheus(afterwards.of(t), inFile(scraped()), join(CHART, 'alerts.yaml'));
  });

  step('makes a bucket, the Secret with its keys, and a dataset of real radiographs', async () => {
    await readme().type(/export AWS/);
    await readme().type(/export PGGAN_STORE_CA/);
    await readme().type(/-X PUT/);
    await readme().type(/create secret/);
    await readme().type(/create configmap/);
    await readme().type(/^sed /);
    await times.of('dataset made of radiographs', () => readme().type(/create-from-images/));
    await times.of('dataset uploaded', () => readme().type(/dataset upload/));
  });

  step('applies a training, which begins to grow', async () => {
    await readme().type(/apply .*\/quickstart/);
    await times.of('from kubectl apply to the first images', () => past(1));
  });

  step('deletes a pod in the middle: another one goes on from its checkpoint, and no failure is counted', async () => {
    const { resumes = 0 } = await past(scale(MOMENT.pod));
    const pod = await runningPod();
    await times.of('pod deleted and replaced', async () => {
      await readme().type(/delete pod/);
      await runningPod(pod);
      await until(async () => ((await training()).status?.resumes ?? 0) > resumes);
    });
    assert.equal(await failures(), 0);
  });

  step('drains the node: a disruption, no failure; the training goes on once there is room for it again', async () => {
    const { disruptions = 0 } = await past(scale(MOMENT.drain));
    await runningPod();
    await times.of('node drained and given back', async () => {
      await readme().type(/kubectl drain/);
      await until(async () => ((await training()).status?.disruptions ?? 0) > disruptions);
      await readme().type(/uncordon/);
      await runningPod();
    });
    assert.equal(await failures(), 0);
  });

  step('kills the kubelet: what runs goes on, and is seen again when the kubelet is back', async () => {
    const { cluster } = at();
    await past(scale(MOMENT.kubelet));
    keep('kubectl-get-pgt.txt', await listed());
    await times.of('kubelet killed, missed and back', async () => {
      await cluster.kubelet.kill();
      await until(async () => (await nodeCondition(cluster.run)) === 'Unknown');
      cluster.kubelet.restart();
      await ready(cluster);
    });
    assert.equal(await failures(), 0);
  });

  step('restarts MinIO: the training waits for it, and no failure is counted', async () => {
    const { server } = at();
    const { progress } = await past(scale(MOMENT.store));
    await server.kill();
    await server.start();
    await times.of('2,000 images after a restart of MinIO', () => past((progress?.images ?? 0) + 2000));
    assert.equal(await failures(), 0);
  });

  step('upgrades the chart: operator and default image change under a training that keeps its own and goes on', async () => {
    const { cluster, kubectl } = at();
    for (const name of ['operator', 'trainer']) await cluster.engine.tag(`localhost/pggan-${name}:0.1.0`, `localhost/pggan-${name}:next`);
    const { progress } = await past(0);
    await times.of('chart upgraded', () => readme().type(/helm upgrade/, [[/$/, ' --wait']]));
    await pointPrometheus();
    const containers = '.items[*].spec.template.spec.containers[*]';
    assert.match(
      await kubectl('get', 'deployments', '-n', 'pggan-system', '-o', `jsonpath={${containers}.image} {${containers}.args[0]}`),
      /pggan-operator:next --trainer-image=localhost\/pggan-trainer:next/,
    );
    const later = await past((progress?.images ?? 0) + 500);
    assert.equal(later.image, 'localhost/pggan-trainer:0.1.0');
    assert.equal(await failures(), 0);
  });

  step('draws with what has grown: a SynthesisJob, whose PNGs are in the bucket', async () => {
    await times.of('training succeeded', () => readme().type(/kubectl wait pgt/));
    keep('kubectl-get-pgt-end.txt', await listed());
    await readme().type(/run copy/);
    const pictures = join(readme().folder, 'quickstart/samples');
    const names = readdirSync(pictures);
    assert.ok(names.includes('growth.png') && names.includes('reals.png'), names.join(' '));
    for (const name of names) keep(`samples-${name}`, readFileSync(join(pictures, name)));
    await readme().type(/apply .*synthesis/);
    await times.of('images drawn', () => readme().type(/kubectl wait synth/));
    await readme().type(/^get\(\)/);
    await readme().type(/^get /);
    assert.equal((await sharp(join(readme().folder, '000000.png')).metadata()).width, RESOLUTION);
    const drawn = openStore(`s3://pggan/synthetic/${NAMESPACE}/quickstart-32`, { s3: at().server.options });
    const files = (await drawn.list('images/')).map(({ key }) => key);
    assert.equal(files.length, IMAGES);
    for (const file of files) {
      const { width, height, channels } = await sharp((await drawn.read(file)) ?? assert.fail(file)).metadata();
      assert.deepEqual([width, height, channels], [RESOLUTION, RESOLUTION, 1]);
    }
  });

  step('runs the same manifest by npm start, and gets the same weights', async (t) => {
    const { workspace, server } = at();
    const output = join(workspace.folder, 'runs');
    readme().edit(MANIFEST, [
      [/s3:.*datasets\/\w+/, uriOf(join(readme().folder, 'chests'))],
      [/s3:.*runs/, uriOf(output)],
      [/ {2}store:\n(?: {4}.*\n)+/, ''],
    ]);
    const file = join(readme().folder, MANIFEST);
    await times.of('npm start', () => succeeded(pggan(t, ['start', file])));
    const newest = newestCheckpoint(join(output, NAMESPACE, 'quickstart'));
    const { status } = await training();
    assert.equal(status?.checkpoint?.images, newest?.images);
    // The digest in the status is that of checkpoint.json, which tells of times too.
    const saved = openStore(status?.checkpoint?.uri ?? assert.fail('no checkpoint'), { s3: server.options });
    const written: unknown = JSON.parse(String(await saved.read('checkpoint.json')));
    const { weightsDigest } = checkpointManifest.parse(written);
    assert.equal(weightsDigest, newest?.manifest.weightsDigest);
    process.stdout.write(`# weights of both: ${weightsDigest}\n`);
    assert.equal(status?.failures ?? 0, 0);
    assert.ok((status?.resumes ?? 0) >= 2);
  });

  step('is shown by the training board what Prometheus has scraped of the operators', async () => {
    const ask = (prometheus ?? assert.fail('no Prometheus')).ask(began, Date.now() / 1000);
    const values = { namespace: NAMESPACE, training: 'quickstart' };
    const empty: string[] = [];
    for (const { where, expr } of queriesOf(trainingBoard())) if ((await ask(filledIn(expr, values))).length === 0) empty.push(where);
    assert.deepEqual(empty, []);
    const title = 'The training of chest radiographs on a node, as Prometheus has it';
    keep('training-board.png', await plotTraining(trainingBoard(), ask, { title, namespace: NAMESPACE, name: 'quickstart' }));
  });

  step('has typed all of the README, but for a port that it did not need', () => {
    assert.deepEqual(
      readme()
        .untyped()
        .map((command) => command.split(' ')[3]),
      ['port-forward'],
    );
    return Promise.resolve();
  });

  step('was refused nothing: not by pod security, and not by RBAC', async () => {
    const admitted = new Set<string>();
    const refused: string[] = [];
    for await (const { user, verb, requestURI, objectRef, responseStatus, annotations = {} } of auditEvents(at().cluster.plane)) {
      const level = annotations['pod-security.kubernetes.io/enforce-policy'];
      if (level !== undefined && verb === 'create') admitted.add(`${level} ${requestURI.split('?')[0]}`);
      const isPod = verb === 'create' && objectRef?.resource === 'pods';
      const forbidden = responseStatus?.code === 403 && (isPod || user.username.startsWith('system:serviceaccount:pggan-system:'));
      if (forbidden) refused.push(`${verb} ${requestURI} by ${user.username}`);
    }
    assert.deepEqual(refused, []);
    for (const namespace of ['pggan-system', NAMESPACE])
      assert.ok(admitted.has(`restricted:latest /api/v1/namespaces/${namespace}/pods`), [...admitted].join('\n'));
  });
});

/** Whose store is outside of the cluster, under the certificate of an authority that this person trusts. */
function terminalAt(t: TestContext, { cluster, server, workspace, radiographs }: Stage): Terminal {
  const names = ['kubectl', 'helm'] as const;
  const programs = Object.fromEntries(names.map((name) => [name, binary(t, name) ?? assert.fail(`no ${name}`)]));
  const { accessKey, secretKey } = server.credentials;
  return createTerminal(join(workspace.folder, 'checkout'), programs, { KUBECONFIG: cluster.plane.kubeconfig }, [
    ['REGISTRY', 'localhost'],
    ['http://localhost:9000', server.endpoint],
    [/=KEY\b/, `=${accessKey}`],
    [/=SECRET\b/, `=${secretKey}`],
    ['path/to/radiographs', radiographs],
    ['CA.crt', server.env['PGGAN_STORE_CA'] ?? assert.fail('no TLS')],
    [/\bNODE\b/, NODE_NAME],
    [/\bNEXT\b/, 'next'],
  ]);
}
