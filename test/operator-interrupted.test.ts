/** Trainings that are interrupted, on a real API server with real trainer processes: they go on exactly, and no two processes write to one run. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Clock, systemClock } from '../operator/kube/clock.ts';
import { type Condition, isTrue } from '../operator/kube/conditions.ts';
import { EVENTS, JOBS, PODS } from '../operator/kube/resource.ts';
import { TRAININGS } from '../operator/training/stored.ts';
import { assertEqualLogs, assertEqualWeights } from './harness/compare.ts';
import { until } from './harness/kube.ts';
import { runOperator } from './harness/operator-here.ts';
import { apply, claimRun, claimTraining, current, type Stage, stage, succeeded } from './harness/operator-stage.ts';
import { watchPods } from './harness/pod-history.ts';
import { freeze } from './harness/processes.ts';
import { trainUndisturbed } from './harness/tiny-run.ts';
import { newestCheckpoint } from './harness/tiny-training.ts';

/** The last image of 4x4. */
const FIRST_PHASE = 1024;

test('suspended while it trains, a training saves, ends and holds still; resumed, it comes out as if nothing had been', async (t) => {
  const at = await stage(t, 8);
  if (!at) return;
  const { kube, namespace, node } = at;
  const reference = await undisturbed(t, at);
  await runOperator(t, at, { pollSeconds: 1 });
  const pods = await watchPods(t, kube, namespace);
  await apply(at, claimTraining(at, 'tiny'));
  await until(() => saved(at) > FIRST_PHASE);

  await edit(at, { suspend: true });
  await until(async () => isTrue((await current(at, 'tiny')).status?.conditions, 'Suspended') && node.running().length === 0);
  await until(() => pods.moments.at(-1)?.gone === true);
  assert.deepEqual(pods.exitCodes('tiny-8-'), [75]);
  const { status } = await current(at, 'tiny');
  const at8 = status?.phases?.find(({ resolution }) => resolution === 8);
  assert.deepEqual([at8?.state, find(status?.conditions, 'Ready')?.reason], ['Suspended', 'Suspended']);
  assert.deepEqual((await kube.get(JOBS, { namespace, name: 'tiny-8' })).spec?.suspend, true);
  const images = saved(at);

  await edit(at, { suspend: false });
  const ended = await succeeded(at, 'tiny');
  assert.deepEqual(pods.exitCodes('tiny-8-'), [75, 0]);
  assert.equal(pods.mostAtOnce('tiny'), 1);
  assert.deepEqual(counted(ended), { failures: 0, disruptions: 0, attempts: 2 });
  assert.ok((newestCheckpoint(claimRun(at, 'tiny'))?.images ?? 0) > images);
  assertEqualWeights(claimRun(at, 'tiny'), reference);
  assertEqualLogs(claimRun(at, 'tiny'), reference);
  await told(at, 'Suspended', 'Unsuspended', 'TrainingResumed');
});

test('a lost node is told with what to do, and no process starts while its own goes on; one that is started all the same stands back', async (t) => {
  const at = await stage(t, 8);
  if (!at) return;
  const { kube, namespace, node, run } = at;
  const reference = await undisturbed(t, at);
  const time = shiftedClock();
  await runOperator(t, at, { clock: time.clock, pollSeconds: 1 });
  const pods = await watchPods(t, kube, namespace);
  await apply(at, claimTraining(at, 'tiny'));
  await until(() => saved(at) > FIRST_PHASE);

  const [pod = ''] = node.running();
  node.lose(pod);
  await evict(at, pod);
  // Nobody hears of it any more, and it trains on.
  const images = saved(at);
  await until(() => saved(at) > images);
  const pid = node.pid(pod);
  assert.ok(await freeze(pid), 'it ended too early');

  const stands = async (reason: string, stalled: boolean): Promise<void> => {
    await until(async () => {
      // Something has to make the operator look: its timer knows nothing of the time that has passed.
      await kube.patch(TRAININGS, { namespace, name: 'tiny' }, { merge: { metadata: { annotations: { look: `${Math.random()}` } } } });
      const { status } = await current(at, 'tiny');
      return find(status?.conditions, 'Ready')?.reason === reason && isTrue(status?.conditions, 'Stalled') === stalled;
    });
  };
  time.ahead(10 * 60);
  await stands('NodeLost', false);
  time.ahead(2 * 3600);
  await stands('NodeLost', true);
  const notes = (await kube.list(EVENTS, { namespace })).items.filter(({ reason }) => reason === 'NodeLost').map(({ note }) => note);
  assert.deepEqual(notes, ["The node of Job tiny-8's pod is gone: delete the node, or the pod by force once the node is surely off"]);
  assert.deepEqual(
    pods.moments.at(-1)?.unfinished.map(({ metadata }) => metadata?.name),
    [pod],
  );
  assert.deepEqual(pods.exitCodes('tiny-8-'), []);

  // By force, though the node is not off: the run has one writer even so. What comes now is stamped by clocks that have not moved.
  time.ahead(0);
  const forced = await run(['delete', 'pod', pod, '-n', namespace, '--force', '--grace-period=0']);
  assert.equal(forced.code, 0, forced.stderr);
  await until(() => pods.exitCodes('tiny-8-').length > 0);
  assert.deepEqual(pods.exitCodes('tiny-8-'), [75]);
  const refused = pods.moments.find(({ pod: { status } }) => status?.containerStatuses?.[0]?.state?.terminated?.exitCode === 75);
  assert.match(refused?.pod.status?.containerStatuses?.[0]?.state?.terminated?.message ?? '', /RunOwned.*is being written by process/);
  // The node is off.
  process.kill(pid, 'SIGKILL');
  const ended = await succeeded(at, 'tiny');
  assert.deepEqual(pods.exitCodes('tiny-8-').at(-1), 0);
  assert.equal(pods.mostAtOnce('tiny'), 1);
  assert.equal(counted(ended).failures, 0);
  assertEqualWeights(claimRun(at, 'tiny'), reference);
  assertEqualLogs(claimRun(at, 'tiny'), reference);
  await told(at, 'NodeLost', 'Stalled', 'Recovered', 'TrainingResumed');
});

/** The run folder of the same training when nobody disturbs it. */
async function undisturbed(t: TestContext, { workspace }: Stage): Promise<string> {
  const run = join(workspace.folder, 'undisturbed');
  await trainUndisturbed(t, workspace.manifest('tiny', 'undisturbed'), run);
  return run;
}

const saved = (at: Stage): number => newestCheckpoint(claimRun(at, 'tiny'))?.images ?? 0;
const find = (conditions: readonly Condition[] | undefined, type: string): Condition | undefined =>
  conditions?.find((condition) => condition.type === type);

function edit({ kube, namespace }: Stage, spec: object): Promise<unknown> {
  return kube.patch(TRAININGS, { namespace, name: 'tiny' }, { merge: { spec } });
}

function counted({ status }: Awaited<ReturnType<typeof current>>) {
  const phase = status?.phases?.find(({ resolution }) => resolution === 8);
  return { failures: status?.failures, disruptions: status?.disruptions, attempts: phase?.attempts };
}

/** What the node lifecycle controller does minutes after it has last heard of a node. */
async function evict({ kube, namespace }: Stage, name: string): Promise<void> {
  const condition = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'DeletionByTaintManager',
    lastTransitionTime: new Date().toISOString(),
  };
  await kube.patch(PODS, { namespace, name }, { merge: { status: { conditions: [condition] } } }, { subresource: 'status' });
  await kube.delete(PODS, { namespace, name });
}

/** A clock of the operator that can be ahead of all others. */
function shiftedClock(): { readonly clock: Clock; ahead(seconds: number): void } {
  let shift = 0;
  return {
    clock: { ...systemClock, now: () => new Date(Date.now() + shift * 1000) },
    ahead: (seconds) => void (shift = seconds),
  };
}

/** Events are told behind what they tell of. */
async function told({ kube, namespace }: Stage, ...reasons: readonly string[]): Promise<void> {
  await until(async () => {
    const { items } = await kube.list(EVENTS, { namespace });
    const all = new Set(items.map(({ reason }) => reason));
    return reasons.every((reason) => all.has(reason));
  });
}
