/** A training that is deleted and applied again and again, with real trainer processes: what the API server tells of its pods. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { isKubeError } from '../operator/kube/errors.ts';
import { JOBS, type KubeObject, PODS } from '../operator/kube/resource.ts';
import { TRAININGS } from '../operator/training/stored.ts';
import { assertEqualWeights } from './harness/compare.ts';
import { until } from './harness/kube.ts';
import { runOperator } from './harness/operator-here.ts';
import { apply, claimRun, claimTraining, current, type Stage, stage, succeeded } from './harness/operator-stage.ts';
import { watchPods } from './harness/pod-history.ts';
import { trainUndisturbed } from './harness/tiny-run.ts';
import { newestCheckpoint } from './harness/tiny-training.ts';

/** How far a training has come when it is deleted. */
const POINTS: readonly { readonly point: string; readonly reached: (at: Stage, uid: string) => boolean | Promise<boolean> }[] = [
  { point: 'it is stored', reached: () => true },
  { point: 'its preflight runs', reached: ({ node }) => node.running().some((pod) => pod.startsWith('tiny-preflight-')) },
  { point: 'a phase has its Job', reached: async (at, uid) => (await jobsOf(at, uid)).some((name) => /^tiny-\d+$/.test(name)) },
  { point: 'a process trains', reached: ({ node }) => node.running().some((pod) => /^tiny-\d+-/.test(pod)) },
];

/** Politely: kubectl waits until it is gone. By force: its finalizers are taken away, and what belonged to it stays behind. */
const WAYS = ['politely', 'by force'] as const;

test('deleted and applied again in a loop, politely and by force, it never has two pods that have not ended, and comes out the same', async (t) => {
  const at = await stage(t, 8);
  if (!at) return;
  const { kube, namespace, node, run, workspace } = at;
  const reference = join(workspace.folder, 'undisturbed');
  await trainUndisturbed(t, workspace.manifest('tiny', 'undisturbed'), reference);
  await runOperator(t, at, { pollSeconds: 1 });
  const pods = await watchPods(t, kube, namespace);
  playGarbageCollector(t, at);
  const uids = new Set<string | undefined>();

  for (const way of WAYS)
    for (const { point, reached } of POINTS) {
      await apply(at, claimTraining(at, 'tiny'));
      const { metadata } = await current(at, 'tiny');
      uids.add(metadata?.uid);
      await until(() => reached(at, metadata?.uid ?? ''));
      t.diagnostic(`deleted ${way} when ${point}, after ${newestCheckpoint(claimRun(at, 'tiny'))?.images ?? 0} images`);
      const deleting = run(['delete', 'pgt', 'tiny', '-n', namespace, '--timeout=120s']);
      if (way === 'by force') await withoutFinalizers(at, deleting);
      const { code, stderr } = await deleting;
      assert.equal(code, 0, stderr);
    }
  assert.equal(uids.size, WAYS.length * POINTS.length, 'each was another object');

  await apply(at, claimTraining(at, 'tiny'));
  await succeeded(at, 'tiny');
  assert.equal(pods.mostAtOnce('tiny'), 1);
  assert.equal(node.mostAtOnce, 1);
  assert.ok(pods.exitCodes('tiny-').includes(75), 'none of its processes was stopped in the midst of its work');
  assertEqualWeights(claimRun(at, 'tiny'), reference);
});

/** Names of the Jobs of one very object. */
async function jobsOf({ kube, namespace }: Stage, uid: string): Promise<readonly string[]> {
  const { items } = await kube.list(JOBS, { namespace });
  return items.flatMap(({ metadata }) => (metadata?.ownerReferences?.some((owner) => owner.uid === uid) ? [metadata.name ?? ''] : []));
}

/** As somebody does who has no patience, until `gone` has resolved: the operator puts its own back as long as it can. */
async function withoutFinalizers({ kube, namespace }: Stage, gone: Promise<unknown>): Promise<void> {
  let waits = true;
  void gone.then(() => (waits = false));
  await until(async () => {
    await kube.patch(TRAININGS, { namespace, name: 'tiny' }, { merge: { metadata: { finalizers: [] } } }).catch(ignoreGone);
    return !waits;
  });
}

/** The garbage collector's part, until the test ends: what belongs to an object that is gone goes, too, and nobody waits for it. */
function playGarbageCollector(t: TestContext, at: Stage): void {
  const stop = new AbortController();
  const played = (async () => {
    while (!stop.signal.aborted) {
      await collectGarbage(at).catch(ignoreGone);
      await setTimeout(100);
    }
  })();
  t.after(async () => {
    stop.abort();
    await played;
  });
}

/** Owners are listed after what they own: one that is not there by then is gone. */
async function collectGarbage({ kube, namespace }: Stage): Promise<void> {
  const { items: pods } = await kube.list(PODS, { namespace });
  const { items: jobs } = await kube.list(JOBS, { namespace });
  const { items: trainings } = await kube.list(TRAININGS, { namespace });
  for (const { metadata } of orphans(jobs, trainings))
    await kube.delete(JOBS, { namespace, name: metadata?.name ?? '' }, { propagation: 'Background', uid: metadata?.uid ?? '' });
  for (const { metadata } of orphans(pods, jobs))
    await kube.delete(PODS, { namespace, name: metadata?.name ?? '' }, { uid: metadata?.uid ?? '' });
}

function orphans(objects: readonly KubeObject[], owners: readonly KubeObject[]): readonly KubeObject[] {
  const uids = new Set(owners.map(({ metadata }) => metadata?.uid));
  return objects.filter(
    ({ metadata }) => metadata?.deletionTimestamp === undefined && metadata?.ownerReferences?.every(({ uid }) => !uids.has(uid)),
  );
}

/** Also a server whose test is over. */
function ignoreGone(error: unknown): void {
  if (!isKubeError(error, 'NotFound', 'Conflict', 'Unavailable')) throw error;
}
