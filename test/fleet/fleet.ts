/**
 * `npm run test:fleet`: a thousand trainings of eight phases on a real control plane with fake GPUs, to their end, while whichever operator leads is
 * killed every 30 seconds, its API server fails it at random, its watches break and running pods are evicted. Environment:
 * PGGAN_FLEET_TRAININGS (1000), PGGAN_FLEET_KILL_SECONDS (30), PGGAN_FLEET_RUN_SECONDS (2: how long a pod runs).
 * Counts are asserted; what took how long is printed, and measured by `npm run bench -- fleet`.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { JOBS, type KubeObject, PODS, type Resource } from '../../operator/kube/resource.ts';
import { TRAININGS } from '../../operator/training/stored.ts';
import { auditEvents } from '../harness/audit.ts';
import { binary } from '../harness/binaries.ts';
import { clusterBinaries } from '../harness/cluster.ts';
import { type Fleet, startFleet } from '../harness/fleet.ts';
import { FLEET, fleetTraining, jobsOf, PHASES } from '../harness/fleet-trainings.ts';
import { OPERATOR } from '../harness/operator-process.ts';
import { watchMeetings } from '../harness/pod-history.ts';
import { assertEachJobOnce } from './proof.ts';
import { type Requests, tally, writesOf } from './requests.ts';

const numberOf = (name: string, otherwise: number): number => Number(process.env[`PGGAN_FLEET_${name}`] ?? otherwise);
const COUNT = numberOf('TRAININGS', 1000);
const KILL_SECONDS = numberOf('KILL_SECONDS', 30);
const RUN_SECONDS = numberOf('RUN_SECONDS', 2);

const FAULTS = { error: 0.01, tooMany: 0.005, lost: 0.005 };
const WATCHES_BREAK_SECONDS = 10;
const EVICTION_SECONDS = 5;

const WRITES_PER_PHASE = 8;
const MOST_BYTES = 300 * 2 ** 20;

test(`${COUNT} trainings of ${PHASES.length} phases succeed, each Job made once, though operators die and their API server fails them`, async (t) => {
  const [cluster, kubectl] = [clusterBinaries(t), binary(t, 'kubectl')];
  if (!cluster || kubectl === undefined) return;
  const trainings = Array.from({ length: COUNT }, (_, index) => fleetTraining(`training-${index}`, RUN_SECONDS));
  const fleet = await startFleet({ binaries: { ...cluster, kubectl }, trainings, faults: FAULTS });
  t.after(() => fleet.stop());
  const { operators, proxy, plane } = fleet;
  const meetings = await watchMeetings(t, fleet.kube, FLEET);
  const began = performance.now();
  await operators.leads();
  await fleet.submit();
  const failOvers = await disturbed(fleet);
  const seconds = (performance.now() - began) / 1000;
  const { peakBytes, cpuSeconds } = operators.usage();
  await operators.stop();

  const requests = await tally(auditEvents(plane), OPERATOR.user);
  const phases = COUNT * PHASES.length;
  say(
    `${COUNT} trainings, ${requests.jobsCreated.length} Jobs in ${seconds.toFixed(0)} s; operators took ${cpuSeconds.toFixed(0)} s of CPU`,
  );
  say(
    `${failOvers.length} kills, ${operators.exits} lost leases; the other led after ${failOvers.map((each) => each.toFixed(1)).join(', ') || '-'} s`,
  );
  say(`faults: ${JSON.stringify(proxy.counts)}; refused: ${JSON.stringify(Object.fromEntries(requests.refused))}`);
  say(`creations of Jobs cut off: ${requests.jobsCutOff.length}`);
  say(`requests: ${JSON.stringify(requests.counts)}; ${(writesOf(requests) / phases).toFixed(2)} writes per phase`);
  say(`most memory of an operator: ${(peakBytes / 2 ** 20).toFixed(0)} MiB`);
  say(`pods whose end was told twice, at two times: ${meetings.retold()}`);
  const left = { trainings: await listed(fleet, TRAININGS), jobs: await listed(fleet, JOBS), pods: await listed(fleet, PODS) };
  assertEachJobOnce(requests, { ...left, met: meetings.met() }, jobsOf);
  assert.ok(
    writesOf(requests) <= WRITES_PER_PHASE * phases + retries(requests, fleet),
    `${writesOf(requests)} writes for ${phases} phases`,
  );
  assert.ok(peakBytes <= MOST_BYTES, `an operator took ${peakBytes} bytes`);
});

const say = (text: string): void => void process.stdout.write(`# ${text}\n`);

/** Lets things go wrong until all have succeeded; how long each fail-over took, in seconds. */
async function disturbed(fleet: Fleet): Promise<readonly number[]> {
  const over = new AbortController();
  const pause = (seconds: number) => setTimeout(seconds * 1000, undefined, { signal: over.signal }).catch(() => undefined);
  const every = async (seconds: number, harm: () => unknown): Promise<void> => {
    for (let next = pause(seconds); ; ) {
      await next;
      if (over.signal.aborted) return;
      next = pause(seconds);
      await harm();
    }
  };
  const failOvers: number[] = [];
  const harms = [
    every(WATCHES_BREAK_SECONDS, () => fleet.proxy.cutWatches()),
    every(EVICTION_SECONDS, () => fleet.evictOne()),
    every(KILL_SECONDS, async () => {
      failOvers.push(await fleet.operators.killLeader());
      say(`${fleet.done} of ${COUNT} have succeeded; an operator was killed, the other led after ${failOvers.at(-1)?.toFixed(1)} s`);
    }),
  ];
  await Promise.all([fleet.succeeded().finally(() => over.abort()), ...harms]);
  return failOvers;
}

/** Writes whose answer was lost are made again, and so is what was refused. */
function retries({ refused }: Requests, { proxy }: Fleet): number {
  return proxy.counts.lost + [...refused.values()].reduce((sum, count) => sum + count, 0);
}

async function listed<T extends KubeObject>({ kube }: Fleet, resource: Resource<T>): Promise<readonly T[]> {
  const items: T[] = [];
  for (let from: string | undefined; ; ) {
    const page = await kube.list(resource, { namespace: FLEET, limit: 500, continue: from });
    items.push(...page.items);
    if (page.continue === undefined) return items;
    from = page.continue;
  }
}
