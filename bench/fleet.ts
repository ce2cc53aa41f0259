/** What a training costs as the fleet grows: writes, requests, CPU and memory of the operator, on a real control plane with fake GPUs. */
import type { Kube } from '../operator/kube/client.ts';
import { isTrue } from '../operator/kube/conditions.ts';
import { createReflector } from '../operator/kube/reflector.ts';
import { type StoredTraining, TRAININGS } from '../operator/training/stored.ts';
import { binaryPath } from '../scripts/binaries.mjs';
import { auditEvents } from '../test/harness/audit.ts';
import { NO_FAULTS } from '../test/harness/api-proxy.ts';
import { startFleet } from '../test/harness/fleet.ts';
import { FLEET, fleetTraining, PHASES } from '../test/harness/fleet-trainings.ts';
import { OPERATOR } from '../test/harness/operator-process.ts';
import { requestsOf, tally, writesOf } from '../test/fleet/requests.ts';

export type FleetRunOptions = {
  readonly runSeconds: number;
  readonly ttlSeconds: number;
  /** Suspended trainings that are there all the while: what they make of the others' cost is the fleet's size alone. */
  readonly beside: number;
  /** Loads the hooks that measure single reconciles: they cost CPU of their own. */
  readonly reconciles: boolean;
};

export type FleetResult = {
  readonly trainings: number;
  readonly beside: number;
  readonly seconds: number;
  readonly writesPerPhase: number;
  readonly requestsPerTraining: number;
  readonly progressPerTraining: number;
  readonly cpuSecondsPerTraining: number;
  /** For one of those beside: seen, and its status written once. */
  readonly cpuSecondsBeside?: number;
  /** The most that one process of the operator took. */
  readonly peakBytes: number;
  /** From kill -9 of the leader until the other process led, when all was done. */
  readonly failOverSeconds: number;
  /** CPU of single reconciles, in seconds. */
  readonly reconcile?: { readonly reconciles: number; readonly p50: number; readonly p99: number; readonly most: number };
};

const BINARIES = {
  etcd: binaryPath('etcd'),
  apiServer: binaryPath('kube-apiserver'),
  controllerManager: binaryPath('kube-controller-manager'),
  scheduler: binaryPath('kube-scheduler'),
  kwok: binaryPath('kwok'),
  kubectl: binaryPath('kubectl'),
};

/** A cluster of its own, without faults: what is measured is the work, not the mending. */
export async function measureFleet(count: number, options: FleetRunOptions): Promise<FleetResult> {
  const { runSeconds, ttlSeconds, beside, reconciles } = options;
  const changes = { 'spec/ttlSecondsAfterFinished': ttlSeconds };
  const trainings = Array.from({ length: count }, (_, index) => fleetTraining(`training-${index}`, runSeconds, changes));
  const nodeFlags = reconciles ? ['--import', new URL('reconcile-cpu.ts', import.meta.url).href] : [];
  const fleet = await startFleet({ binaries: BINARIES, trainings, faults: NO_FAULTS, nodeFlags });
  try {
    await fleet.operators.leads();
    const started = fleet.operators.usage();
    await suspend(fleet.kube, beside);
    const before = { ...fleet.operators.usage(), requests: await tally(auditEvents(fleet.plane), OPERATOR.user) };
    const began = performance.now();
    await fleet.submit();
    await fleet.succeeded();
    const seconds = (performance.now() - began) / 1000;
    const { cpuSeconds, peakBytes } = fleet.operators.usage();
    const said = reconciles ? await fleet.operators.lastSaid(/(\{"reconciles":.*\})/) : undefined;
    const failOverSeconds = await fleet.operators.killLeader();
    await fleet.operators.stop();
    const requests = await tally(auditEvents(fleet.plane), OPERATOR.user);
    return {
      trainings: count,
      beside,
      seconds,
      writesPerPhase: (writesOf(requests) - writesOf(before.requests)) / (count * PHASES.length),
      requestsPerTraining: (requestsOf(requests) - requestsOf(before.requests)) / count,
      progressPerTraining: requests.counts.progress / count,
      cpuSecondsPerTraining: (cpuSeconds - before.cpuSeconds) / count,
      ...(beside > 0 && { cpuSecondsBeside: (before.cpuSeconds - started.cpuSeconds) / beside }),
      peakBytes,
      failOverSeconds,
      ...(said !== undefined && { reconcile: JSON.parse(said) as NonNullable<FleetResult['reconcile']> }),
    };
  } finally {
    await fleet.stop();
  }
}

const AT_ONCE = 8;

/** Makes trainings that do nothing; returns when the operator has said so of each. */
async function suspend(kube: Kube, count: number): Promise<void> {
  const names = Array.from({ length: count }, (_, index) => `beside-${index}`).values();
  const create = async (): Promise<void> => {
    for (const name of names) await kube.create(TRAININGS, fleetTraining(name, 0, { 'spec/suspend': true }));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, create));
  const waiting = new Set<string>();
  const over = new AbortController();
  const seen = createReflector<StoredTraining, StoredTraining>({
    kube,
    resource: TRAININGS,
    namespace: FLEET,
    project: (training) => training,
    onChange({ object: { metadata, status } }) {
      if (isTrue(status?.conditions, 'Suspended')) waiting.delete(metadata?.name ?? '');
      else waiting.add(metadata?.name ?? '');
      void seen.synced.then(() => waiting.size === 0 && over.abort());
    },
  });
  if (count > 0) await seen.run(over.signal);
}
