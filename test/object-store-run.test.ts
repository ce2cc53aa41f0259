/** A run whose dataset and run folder are in an object store: the same bits as on a disk, through a kill, and moved to a folder in mid-run. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test, type TestContext } from 'node:test';
import { resolveTrainingRun } from '../crds/resolve.ts';
import type { TrainingRun } from '../crds/run.ts';
import { validateManifest } from '../crds/validate.ts';
import { openStore } from '../trainer/checkpoint/open-store.ts';
import { findNewestCheckpoint } from '../trainer/checkpoint/load-checkpoint.ts';
import { type ObjectStore, startObjectStore } from './harness/object-store.ts';
import { OBJECT_STORES } from './harness/object-store-servers.ts';
import { pggan, succeeded, trainer } from './harness/pggan.ts';
import { createWorkspace, uriOf, type Workspace } from './harness/tiny-training.ts';

type Places = { readonly datasetUri: string; readonly runUri: string };

suite('a run in an object store', { concurrency: false }, () => {
  let workspace: Workspace;
  before(async () => {
    workspace = await createWorkspace(8);
  });
  after(() => workspace.remove());

  const documentOf = (task: TrainingRun['task'], places: Places, totalKimg: number, server?: ObjectStore): TrainingRun => {
    const manifest: unknown = JSON.parse(readFileSync(workspace.manifest('tiny', 'runs', { totalKimg }), 'utf8'));
    const read = validateManifest(manifest, { local: true });
    assert.ok(read.ok && read.object.kind === 'PGGANTraining');
    const run = resolveTrainingRun(read.object, { task, cluster: 'local', port: 0, ...places });
    return server ? { ...run, store: server.options } : run;
  };
  /** What the operator has done for a training: preflight, then one process per resolution. */
  const train = async (t: TestContext, places: Places, totalKimg: number, server?: ObjectStore): Promise<void> => {
    const tasks = [{ kind: 'preflight' }, { kind: 'train', resolution: 4 }, { kind: 'train', resolution: 8 }] as const;
    for (const task of tasks) await succeeded(trainer(t, documentOf(task, places, totalKimg, server), server && { env: server.env }));
  };
  const onDisk = (name: string): Places => ({ datasetUri: uriOf(workspace.dataset), runUri: uriOf(join(workspace.folder, name)) });
  let expected: string;

  test('is compared with one on a disk', async (t) => {
    await train(t, onDisk('disk'), 3);
    expected = await digestOf(onDisk('disk').runUri);
  });

  for (const kind of OBJECT_STORES) {
    test(`on ${kind} has the same bits, and goes on where it is copied to`, async (t) => {
      const server = await startObjectStore(t, kind);
      if (!server) return;
      Object.assign(process.env, server.env);
      const { env } = server;
      const remote = remoteOn(server);
      await succeeded(pggan(t, ['dataset', 'upload', workspace.dataset, remote.datasetUri], { env }));
      await train(t, remote, 3, server);
      assert.equal(await digestOf(remote.runUri), expected);
      const keys = (await openStore(remote.runUri).list('')).map(({ key }) => key);
      for (const key of ['run.json', 'log.txt', 'samples/reals.png', 'samples/growth.png', 'snapshots/network-final.safetensors'])
        assert.ok(keys.includes(key), `${key} is not among ${keys.join(' ')}`);
      if (kind !== 'minio') return;

      await succeeded(pggan(t, ['run', 'copy', remote.runUri, join(workspace.folder, 'moved')], { env }));
      for (const name of ['moved', 'disk']) await succeeded(trainer(t, documentOf({ kind: 'train', resolution: 8 }, onDisk(name), 4)));
      assert.equal(await digestOf(onDisk('moved').runUri), await digestOf(onDisk('disk').runUri));
      const back = `s3://${server.bucket}/runs/back`;
      await succeeded(pggan(t, ['run', 'copy', join(workspace.folder, 'moved'), back], { env }));
      assert.equal(await digestOf(back), await digestOf(onDisk('moved').runUri));
      const refused = pggan(t, ['run', 'copy', workspace.dataset, back], { env });
      assert.equal((await refused.ended).code, 2);
    });
  }
});

const remoteOn = (server: ObjectStore): Places => ({
  datasetUri: `s3://${server.bucket}/phantoms`,
  runUri: `s3://${server.bucket}/runs/tiny`,
});

/** How far a run has come, and the digest of what it has learned. */
async function digestOf(uri: string): Promise<string> {
  const { checkpoint } = (await findNewestCheckpoint(openStore(uri))) ?? assert.fail(`no checkpoint in ${uri}`);
  return `${checkpoint.manifest.images} ${checkpoint.manifest.weightsDigest}`;
}
