/** What befalls a training besides the death of its trainer: its server, its network, its disk and a checkpoint. */
import assert from 'node:assert/strict';
import { buffer } from 'node:stream/consumers';
import { setTimeout } from 'node:timers/promises';
import { Client } from 'minio';
import { listCheckpoints, readManifest } from '../../trainer/checkpoint/load-checkpoint.ts';
import { nameOf } from '../../trainer/checkpoint/format.ts';
import type { Store } from '../../trainer/checkpoint/store.ts';
import type { FaultProxy, Seen } from '../harness/fault-proxy.ts';
import { limitBucket } from '../harness/minio-limits.ts';
import type { ObjectStore } from '../harness/object-store.ts';
import type { Command } from '../harness/pggan.ts';
import { freeze } from '../harness/processes.ts';
import { progressWhen } from '../harness/tiny-run.ts';

export type World = {
  readonly server: ObjectStore;
  /** Between the trainer and the server. */
  readonly proxy: FaultProxy;
  /** The run folder, not by way of the proxy. */
  readonly store: Store;
  /** Root of the run folder in its bucket. */
  readonly prefix: string;
  readonly trainer: Command;
};

/** Returns when the harm is done; the trainer is at work before, and to be killed at some time afterwards. */
export type Harm = (world: World) => Promise<void>;

/** `kill -9` of the server; it comes back with its data. */
export const restartServer: Harm = async ({ server }) => {
  await server.kill();
  await setTimeout(1000);
  await server.start();
};

/** Uploads are cut in the middle, answers are lost after the deed, and then nothing gets through for a while. */
export const cutConnections: Harm = async ({ proxy, trainer }) => {
  proxy.fail({ kind: 'cutUpload', afterBytes: 1000 }, isUpload, 3);
  proxy.fail({ kind: 'loseAnswer' }, isUpload, 6);
  proxy.fail({ kind: 'answer', status: 503, code: 'SlowDown' }, undefined, 3);
  const before = (await progressWhen(trainer, () => true)).checkpoint?.images ?? 0;
  await progressWhen(trainer, ({ checkpoint, state }) => (checkpoint?.images ?? 0) > before || state === 'Complete');
  await proxy.down();
  await setTimeout(2000);
  await proxy.up();
};

/** The bucket is full; the trainer waits and says so; there is room again, and it goes on. */
export const fillBucket: Harm = async ({ server, trainer }) => {
  await limitBucket(server, server.bucket, 64);
  const { waiting } = await progressWhen(trainer, (progress) => progress.waiting?.code === 'StoreFull');
  assert.match(waiting?.message ?? '', /there is no room left/);
  await limitBucket(server, server.bucket, 1 << 30);
  await progressWhen(trainer, (progress) => progress.waiting === undefined);
};

/** One bit of the newest checkpoint's generator, while the trainer stands still for good: the next one meets it. */
export const flipByte: Harm = async ({ server, store, prefix, trainer }) => {
  await freeze(trainer.pid);
  const newest = (await listCheckpoints(store)).find(({ committed }) => committed) ?? assert.fail('there is no checkpoint to damage');
  const { key, manifest } = await readManifest(store, newest.key);
  const name = `${prefix}/${key}${nameOf(manifest, 'generator')}`;
  const client = clientOf(server);
  const { metaData } = await client.statObject(server.bucket, name);
  const bytes = await buffer(await client.getObject(server.bucket, name));
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  await client.putObject(server.bucket, name, bytes, bytes.length, metaData);
};

const isUpload = ({ method }: Seen): boolean => method === 'PUT';

function clientOf({ endpoint, credentials }: ObjectStore): Client {
  const { hostname, port } = new URL(endpoint);
  return new Client({ endPoint: hostname, port: Number(port), useSSL: false, region: 'us-east-1', ...credentials });
}
