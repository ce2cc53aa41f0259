/** The operator outside of a cluster, as a developer runs it: trainers are asked through the real API server, with a role of its own. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parse, parseAllDocuments } from 'yaml';
import { isTrue } from '../operator/kube/conditions.ts';
import { PODS } from '../operator/kube/resource.ts';
import { readPodThrough } from '../operator/progress/read.ts';
import { deniedTo } from './harness/audit.ts';
import { freePorts } from './harness/control-plane.ts';
import { openKube, until } from './harness/kube.ts';
import { lacking } from './harness/lacking.ts';
import { INSTALLED, OPERATOR, operatorProcess } from './harness/operator-process.ts';
import { apply, claimTraining, current, install, stage } from './harness/operator-stage.ts';

const MANIFEST = readFileSync(join(import.meta.dirname, '../manifests/developer.yaml'), 'utf8');

const DEVELOPER = { user: 'developer', groups: [] };
const ROLE = 'pggan-operator-developer';

type Role = { readonly kind: string; readonly metadata: { readonly name: string }; readonly rules?: readonly object[] };

test("the developer's role is the operator's and get on pods/proxy, which nothing that is installed in a cluster has", () => {
  const objects = parseAllDocuments(INSTALLED).map((document) => document.toJS() as Role);
  const rulesOf = (kind: string, name: string) =>
    objects.find(({ kind: of, metadata }) => of === kind && metadata.name === name)?.rules ?? [];
  const proxy = { apiGroups: [''], resources: ['pods/proxy'], verbs: ['get'] };
  assert.deepEqual((parse(MANIFEST) as Role).rules, [
    ...rulesOf('ClusterRole', 'pggan-operator'),
    ...rulesOf('Role', 'pggan-operator-lease'),
    proxy,
  ]);
  assert.doesNotMatch(JSON.stringify(objects.map(({ rules }) => rules)), /proxy/);
});

test('a developer sees progress through the API server with one role in one namespace; others, and the operator in the cluster, are refused', async (t) => {
  const address = machineAddress(t);
  if (address === undefined) return;
  const [port = 0] = await freePorts(1);
  const at = await stage(t, 4, { address, port });
  if (!at) return;
  const { plane, kube, namespace, run } = at;
  await install(at);
  await apply(at, MANIFEST);
  const bind = ['create', 'rolebinding', ROLE, `--clusterrole=${ROLE}`, `--user=${DEVELOPER.user}`, '-n', namespace];
  const { code, stderr } = await run(bind);
  assert.equal(code, 0, stderr);
  const kubeconfig = plane.kubeconfigOf(DEVELOPER);
  const operator = operatorProcess(kubeconfig, join(plane.folder, `developer-${namespace}.log`), {
    namespace,
    lease: `${namespace}/pggan-operator`,
    'trainer-port': port,
    'poll-seconds': 1,
    'pod-proxy': 'true',
  });
  t.after(() => operator.kill());
  // Of more images than it will see.
  await apply(at, claimTraining(at, 'tiny', { resolution: 4, totalKimg: 10_000 }));
  await until(async () => {
    const { status } = await current(at, 'tiny');
    return isTrue(status?.conditions, 'ProgressReachable') && status?.progress !== undefined;
  });
  assert.deepEqual(await deniedTo(plane, DEVELOPER.user), []);

  const { items } = await kube.list(PODS, { namespace });
  const pod = items.find(({ status }) => status?.podIP === address && status.phase === 'Running');
  assert.ok(pod);
  const mine = await openKube(t, plane, { kubeconfig });
  assert.equal((await readPodThrough(mine)(pod, port))?.kind, 'training');
  for (const identity of [OPERATOR, { user: 'somebody', groups: [] }]) {
    const theirs = await openKube(t, plane, { kubeconfig: plane.kubeconfigOf(identity) });
    const { statusCode, body } = await theirs.askPod({ namespace, name: pod.metadata?.name ?? '' }, port, '/progress');
    assert.match(await body.text(), /cannot get resource .*pods\/proxy/);
    assert.equal(statusCode, 403, identity.user);
    assert.equal(await readPodThrough(theirs)(pod, port), undefined);
  }
});

/** An address of this machine that is no loopback address: to those the API server passes nothing on. */
function machineAddress(t: TestContext): string | undefined {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const found = all.find(({ family, internal, address }) => family === 'IPv4' && !internal && !address.startsWith('169.254.'));
  return found?.address ?? lacking(t, 'this machine has no address but loopback ones');
}
