/** What befalls trainings on a node, and how it is made good: done from outside, to what really runs. */
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { until } from '../harness/kube.ts';
import { NODE_NAME } from '../harness/kubelet.ts';
import { ready, serviceOf } from '../harness/node-cluster.ts';
import { type ObjectStore, startObjectStore } from '../harness/object-store.ts';
import { pggan, succeeded } from '../harness/pggan.ts';
import { conditionOf, seen } from './seen.ts';
import { authorityOf, configMap, datasetOf, NAMESPACE, type Stage } from './stage.ts';

const smallStores = new Map<string, ObjectStore>();

/** Another MinIO, on a small disk, with the dataset. */
export async function smallStore({ cluster, workspace }: Stage, t: TestContext, name: string): Promise<ObjectStore> {
  const host = cluster.network.hostAddress;
  const tls = `IP:${host},DNS:${name}.minio.svc`;
  const server = (await startObjectStore(t, 'minio', { tls, host, diskMegabytes: 160 })) ?? assert.fail('no MinIO');
  await succeeded(pggan(t, ['dataset', 'upload', datasetOf(workspace), `s3://${server.bucket}/datasets/chests`], { env: server.env }));
  const ports = [{ name: 'https', port: 9000, targetPort: server.port, protocol: 'TCP' }] as const;
  await cluster.apply(...serviceOf({ name, namespace: 'minio' }, host, ports), configMap(`${name}-ca`, { 'ca.crt': authorityOf(server) }));
  smallStores.set(name, server);
  return server;
}

const ballastOf = (server: ObjectStore): string => join(server.disk(), 'ballast');

export function fill(server: ObjectStore): void {
  assert.throws(() => writeFileSync(ballastOf(server), Buffer.alloc(256 << 20)), { code: 'ENOSPC' });
}

const filling = (): ObjectStore => smallStores.get('filling') ?? assert.fail('it was not started');

/** Once something has been saved. */
export async function fillUp({ cluster }: Stage, signal: AbortSignal): Promise<void> {
  await until(async () => signal.aborted || ((await seen(cluster.run, 'pgt', 'store-fills-up')).status?.checkpoint?.images ?? 0) > 0);
  fill(filling());
}

/** It goes on by itself. */
export async function makeRoom({ cluster }: Stage, signal: AbortSignal): Promise<void> {
  rmSync(ballastOf(filling()));
  await until(
    async () => signal.aborted || conditionOf(await seen(cluster.run, 'pgt', 'store-fills-up'), 'Progressing')?.reason === 'Training',
  );
}

/** Three times; other pods follow the ones that were killed. */
export async function exhaust(stage: Stage, signal: AbortSignal): Promise<void> {
  for (let kills = 1; kills <= 3 && !signal.aborted; kills += 1) {
    await stage.cluster.engine.exhaustMemory(await runningPod(stage, 'out-of-memory-4'), 'trainer');
    await until(async () => signal.aborted || ((await seen(stage.cluster.run, 'pgt', 'out-of-memory')).status?.outOfMemory ?? 0) >= kills);
  }
}

/** It is scheduled where the GPU is said to be, and its process ends as one whose input is wrong. */
export async function onTheGpuNode({ kubectl }: Stage, signal: AbortSignal): Promise<void> {
  const where = 'jsonpath={.items[0].spec.nodeName} {.items[0].status.containerStatuses[0].state.terminated.exitCode}';
  const pods = (): Promise<string> => kubectl('get', 'pods', '-n', NAMESPACE, '-l', 'job-name=no-gpu-in-the-image-4', '-o', where);
  await until(async () => signal.aborted || (await pods().catch(() => '')) === `${NODE_NAME} 2`);
}

/** The process of its first phase is killed in the middle of it, with its lease on the run, and another one trains on. */
export async function crash(stage: Stage): Promise<void> {
  const status = async () => (await seen(stage.cluster.run, 'pgt', 'crash')).status;
  const pod = await runningPod(stage, 'crash-4');
  await until(async () => ((await status())?.checkpoint?.images ?? 0) > 0);
  await stage.cluster.engine.killContainer(pod, 'trainer');
  await until(async () => ((await status())?.resumes ?? 0) > 0);
}

/** The kubelet is away when the pod is to go: nobody can say whether it still runs. */
export async function loseNode(stage: Stage): Promise<void> {
  const pod = await runningPod(stage, 'lost-node-4');
  await stage.cluster.kubelet.kill();
  await stage.kubectl('delete', 'pod', pod, '-n', NAMESPACE, '--grace-period=1', '--wait=false');
}

export async function findNode({ cluster }: Stage): Promise<void> {
  cluster.kubelet.restart();
  await ready(cluster);
}

async function runningPod({ kubectl }: Stage, job: string): Promise<string> {
  let name = '';
  await until(async () => {
    name = await kubectl('get', 'pods', '-n', NAMESPACE, '-l', `job-name=${job}`, '--field-selector=status.phase=Running', '-o', 'name');
    return name !== '';
  });
  return name.trim().replace(/^pod\//, '');
}

/** As a device plugin would: the node says that it has one. */
export async function withGpu({ cluster }: Stage): Promise<void> {
  const capacity = { 'nvidia.com/gpu': '1' };
  const patch = JSON.stringify({ status: { capacity, allocatable: capacity } });
  const { code, stderr } = await cluster.run(['patch', 'node', NODE_NAME, '--subresource=status', '--type=merge', '-p', patch]);
  assert.equal(code, 0, stderr);
}
