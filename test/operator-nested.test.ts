/** A run folder inside another training's, on a real API server with real trainer processes. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileStore } from '../trainer/checkpoint/file-store.ts';
import { acquireRun, systemClock } from '../trainer/checkpoint/owner.ts';
import { until } from './harness/kube.ts';
import { runOperator } from './harness/operator-here.ts';
import { apply, claimRun, claimTraining, current, stage } from './harness/operator-stage.ts';

test('a training whose output is inside the run folder of another one stalls, with both folders and what to do', async (t) => {
  const at = await stage(t, 4);
  if (!at) return;
  const { namespace } = at;
  await (await acquireRun(fileStore(claimRun(at, 'outer')), { cluster: 'c', namespace, name: 'outer', uid: 'u' }, systemClock)).release();
  await runOperator(t, at);
  const uri = `pvc://data/runs/${namespace}/outer`;
  await apply(at, claimTraining(at, 'inner', { resolution: 4, totalKimg: 1, output: { uri } }));
  const stalled = async () => (await current(at, 'inner')).status?.conditions?.find(({ type }) => type === 'Stalled');
  await until(async () => (await stalled()) !== undefined);
  const condition = await stalled();
  assert.deepEqual([condition?.status, condition?.reason], ['True', 'Invalid']);
  const said = `outer/${namespace}/inner lies inside file:///claims/data/runs/${namespace}/outer, the run folder of training ${namespace}/outer`;
  assert.ok(condition?.message?.includes(said), condition?.message);
  assert.match(condition?.message ?? '', /set spec[.]output[.]uri to a folder outside of it/);
  assert.ok(!existsSync(join(claimRun(at, 'outer'), namespace, 'inner', 'owner.json')));
});
