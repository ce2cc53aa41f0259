import { readFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { parse } from 'yaml';
import { resolveTrainingRun } from '../crds/resolve.ts';
import { validateManifest } from '../crds/validate.ts';
const v: any = validateManifest(parse(readFileSync('/work/main/manifests/samples/quickstart.yaml', 'utf8')), { local: true });
if (!v.ok) { console.log(v); process.exit(1); }
for (const task of [{ kind: 'preflight' }, ...[4, 8, 16, 32].map((resolution) => ({ kind: 'train', resolution }))]) {
  const run = { ...resolveTrainingRun(v.object, { task, cluster: 'local', port: 0, datasetUri: 'file:///tmp/r/ds', runUri: 'file:///tmp/r/run' } as any) };
  const t = Date.now();
  const r = spawnSync(process.execPath, ['/work/main/trainer/main.ts', 'train'], { env: { ...process.env, PGGAN_RUN: JSON.stringify(run) }, stdio: ['ignore', 'inherit', 'inherit'] });
  console.log(task, 'exit', r.status, (Date.now() - t) / 1e3);
  if (r.status) break;
}
