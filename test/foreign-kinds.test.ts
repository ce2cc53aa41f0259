/** Objects of other projects' kinds that we ship (monitors, rules, queues, applications), before a real API server that has their definitions. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { binary } from './harness/binaries.ts';
import { helm, template } from './harness/helm.ts';
import { type Kubectl, kubectl } from './harness/kubectl.ts';
import { installDefinitions } from './harness/install-kinds.ts';
import { controlPlane } from './harness/shared-control-plane.ts';

const ROOT = join(import.meta.dirname, '..');
const NAMESPACES = ['pggan-system', 'research', 'argocd', 'flux-system'];

let installed: Promise<void> | undefined;

/** kubectl before an API server that knows all these kinds. */
async function open(t: TestContext): Promise<Kubectl | undefined> {
  const [plane, file] = [await controlPlane(t), binary(t, 'definitions')];
  const run = plane && kubectl(t, plane);
  if (!plane || !run || file === undefined) return undefined;
  installed ??= (async () => {
    await installDefinitions(
      plane.admin,
      parseAllDocuments(readFileSync(file, 'utf8')).flatMap((document) => document.toJS() ?? []),
    );
    for (const name of NAMESPACES)
      await plane.admin.send('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  })();
  await installed;
  return run;
}

/** Also what the schema does not have is refused, and whatever the server warns of is an error. */
async function refusal(run: Kubectl, manifest: string): Promise<string> {
  const { code, stderr } = await run(['apply', '--server-side', '--dry-run=server', '--validate=strict', '-f', '-'], manifest);
  return code === 0 && stderr === '' ? '' : `exit ${code}: ${stderr}`;
}

const MONITOR = { enabled: true, labels: { release: 'prometheus' }, interval: '1m' };
const VARIANTS: Readonly<Record<string, object>> = {
  'all of them with default values': {
    metrics: { serviceMonitor: { enabled: true }, podMonitor: { enabled: true }, prometheusRule: { enabled: true } },
  },
  'one namespace, everything set': {
    watchNamespaces: ['research'],
    metrics: {
      serviceMonitor: MONITOR,
      podMonitor: MONITOR,
      prometheusRule: { enabled: true, labels: { release: 'prometheus' }, runbooks: 'https://wiki.example/runbooks' },
      dashboards: { enabled: true },
    },
  },
};

for (const [name, values] of Object.entries(VARIANTS))
  test(`prometheus-operator's own definitions take the monitors and rules of the chart: ${name}`, async (t) => {
    const [run, render] = [await open(t), helm(t)];
    if (!run || !render) return;
    // The pod of `helm test` is none that is installed: without controllers here its namespace has no service account.
    const stdout = await template(render, values, 'pggan-system', '--skip-tests');
    assert.match(stdout, /kind: PrometheusRule/);
    assert.equal(await refusal(run, stdout), '');
  });

for (const file of ['manifests/kueue.yaml', 'gitops/argo-cd/application.yaml', 'gitops/flux/health-checks.yaml'])
  test(`the definitions of its project take ${file}`, async (t) => {
    const run = await open(t);
    if (!run) return;
    const manifest = readFileSync(join(ROOT, file), 'utf8');
    assert.equal(await refusal(run, manifest), '');
    assert.match(await refusal(run, manifest.replace(/^spec:$/m, 'spec:\n  nonsense: true')), /unknown field|field not declared/);
  });
