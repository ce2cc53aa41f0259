/** The operator on a real API server, with real trainer processes for pods: what a person at kubectl gets. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { SYNTHESIS_JOBS } from '../operator/synthesis/stored.ts';
import { isTrue } from '../operator/kube/conditions.ts';
import { EVENTS } from '../operator/kube/resource.ts';
import { created, deniedTo } from './harness/audit.ts';
import { binary } from './harness/binaries.ts';
import { until } from './harness/kube.ts';
import { OPERATOR, startOperator } from './harness/operator-process.ts';
import { apply, claimRun, claimTraining, install, type Stage, stage, succeeded } from './harness/operator-stage.ts';
import { assertClean } from './harness/promtool.ts';
import type { ServerProcess } from './harness/server-process.ts';
import { newestCheckpoint } from './harness/tiny-training.ts';

const RESOLUTION = 8;

const IMAGES = 6;

/** The manifest of a SynthesisJob that waits for a training. */
function synthesis({ workspace, namespace }: Stage, name: string, trainingName: string): string {
  const spec = { trainingRef: { name: trainingName }, count: IMAGES, shards: 2, seed: 1 };
  const local = JSON.parse(readFileSync(workspace.synthesis(name, 'drawn', spec), 'utf8')) as { readonly spec: object };
  return JSON.stringify({ ...local, metadata: { name, namespace }, spec: { ...local.spec, output: { uri: 'pvc://data/drawn' } } });
}

test('a training that is applied goes through preflight and every phase; killed pods and operators cost it neither images nor a second Job', async (t) => {
  const at = await stage(t, RESOLUTION);
  if (!at) return;
  const { plane, kube, namespace, node, run, workspace } = at;
  await install(at);
  const operator = startOperator(t, plane, namespace);
  await apply(at, synthesis(at, 'drawn', 'tiny'));
  await apply(at, claimTraining(at, 'tiny'));

  // The operator dies while the first phase runs.
  await until(() => node.running().some((pod) => pod.startsWith('tiny-4-')));
  await operator.kill();
  operator.restart();

  // A process dies once the second phase has saved something.
  await until(() => (newestCheckpoint(claimRun(at, 'tiny'))?.images ?? 0) > 1024);
  const [victim = ''] = node.running();
  assert.match(victim, /^tiny-8-/);
  node.kill(victim);

  const { status } = await succeeded(at, 'tiny');
  assert.deepEqual(
    status?.phases?.map(({ resolution, state, attempts }) => ({ resolution, state, attempts })),
    [
      { resolution: 4, state: 'Complete', attempts: 1 },
      { resolution: 8, state: 'Complete', attempts: 2 },
    ],
  );
  assert.equal(status?.failures, 1);
  assert.equal(node.mostAtOnce, 1);
  assert.match(status?.checkpoint?.uri ?? '', /^pvc:[/][/]data[/]runs[/]/);

  await until(async () => isTrue((await kube.get(SYNTHESIS_JOBS, { namespace, name: 'drawn' })).status?.conditions, 'Succeeded'));
  const { status: drawn } = await kube.get(SYNTHESIS_JOBS, { namespace, name: 'drawn' });
  assert.equal(drawn?.imagesDone, IMAGES);
  assert.match(drawn?.manifest?.digest ?? '', /^[0-9a-f]{64}$/);
  const images = readdirSync(join(workspace.folder, 'drawn', namespace, 'drawn'), { recursive: true });
  assert.equal(images.filter((file) => String(file).endsWith('.png')).length, IMAGES);

  const measured = await metricsOf(operator);
  const series = `namespace="${namespace}",name="tiny"`;
  for (const start of [
    `pggan_training_loss{${series},resolution="4",network="generator"} `,
    `pggan_training_loss{${series},resolution="8",network="discriminator"} `,
    `pggan_training_condition{${series},condition="Succeeded"} 1\n`,
    `pggan_training_progress_ratio{${series}} 1\n`,
    `pggan_training_failures_total{${series}} 1\n`,
    `pggan_training_disruptions_total{${series}} 0\n`,
    `pggan_training_checkpoint_bytes{${series}} ${status?.checkpoint?.bytes}\n`,
    `pggan_training_phase_wait_seconds{${series},resolution="8",stage="pod"} `,
    'pggan_operator_leader 1\n',
  ])
    assert.ok(measured.includes(`\n${start}`), start);

  const promtool = binary(t, 'promtool');
  if (promtool !== undefined) assertClean(promtool, measured);

  assert.deepEqual(await created(plane, 'jobs', namespace), ['drawn-synthesis', 'tiny-4', 'tiny-8', 'tiny-preflight']);
  const columns = await run(['get', 'pgt', '-n', namespace]);
  assert.match(columns.stdout, /^NAME +RESOLUTION +KIMG +PROGRESS +READY +REASON +AGE\ntiny +8 +4\.0\d+ +100 +True +Complete +\d/);
  const told = await eventReasons(at);
  for (const reason of ['PhaseStarted', 'PhaseCompleted', 'PodFailed', 'TrainingResumed', 'Succeeded'])
    assert.ok(told.has(reason), `no event ${reason}: ${[...told].join()}`);

  // Deleted and applied again, it finds its run, and no process trains.
  const deleted = await run(['delete', 'pgt', 'tiny', '-n', namespace, '--timeout=60s']);
  assert.equal(deleted.code, 0, deleted.stderr);
  await apply(at, claimTraining(at, 'tiny'));
  const again = await succeeded(at, 'tiny');
  assert.deepEqual(
    again.status?.phases?.map(({ state, job }) => [state, job]),
    [
      ['Complete', undefined],
      ['Complete', undefined],
    ],
  );
  assert.deepEqual(await created(plane, 'jobs', namespace), ['drawn-synthesis', 'tiny-4', 'tiny-8', 'tiny-preflight', 'tiny-preflight']);
  assert.deepEqual(
    [again.status?.checkpoint?.uri, again.status?.checkpoint?.digest],
    [status?.checkpoint?.uri, status?.checkpoint?.digest],
    'and images can be drawn from it',
  );

  // Deleted with its run, it goes when the folder has gone; what is not its own stays.
  await run(['patch', 'pgt', 'tiny', '-n', namespace, '--type=merge', '-p', '{"spec":{"deletionPolicy":"DeleteRun"}}']);
  const gone = await run(['delete', 'pgt', 'tiny', '-n', namespace, '--timeout=120s']);
  assert.equal(gone.code, 0, gone.stderr);
  const left = readdirSync(claimRun(at, 'tiny'), { recursive: true, withFileTypes: true });
  assert.deepEqual(
    left.filter((entry) => entry.isFile()),
    [],
  );
  assert.ok(readdirSync(join(workspace.folder, 'phantoms')).length > 0);
  assert.deepEqual(
    (await created(plane, 'jobs', namespace)).filter((name) => name.startsWith('tiny-del-')),
    [`tiny-del-${again.metadata?.uid?.slice(0, 8)}`],
  );
  assert.equal(node.mostAtOnce, 1);
  assert.ok(!(await metricsOf(operator)).includes('name="tiny"'), 'series of an object that is gone');

  assert.deepEqual(await deniedTo(plane, OPERATOR.user), []);
});

/** As Prometheus would get them from the newest process. */
async function metricsOf(operator: ServerProcess): Promise<string> {
  const port = operator.lastSaid(/"telemetryPort":(\d+)/) ?? assert.fail('it never said its port');
  return (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
}

async function eventReasons({ kube, namespace }: Stage): Promise<ReadonlySet<string>> {
  const { items } = await kube.list(EVENTS, { namespace });
  return new Set(items.map(({ reason }) => reason ?? ''));
}
