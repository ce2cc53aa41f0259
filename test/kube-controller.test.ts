/** Everything of operator/kube together, in processes that are killed: two of a kind, one of them leading, and nothing done twice or left undone. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { isKubeError } from '../operator/kube/errors.ts';
import { CONFIG_MAPS, EVENTS, LEASES } from '../operator/kube/resource.ts';
import { created } from './harness/audit.ts';
import { scene, until } from './harness/kube.ts';

const SOURCES = 60;

test('leaders killed with -9 in the midst of their work leave nothing undone, and nothing is done twice', async (t) => {
  const given = await scene(t);
  if (given === undefined) return;
  const { plane, kube, namespace } = given;
  const members = new Map<string, ChildProcess>();
  const start = (identity: string): void => {
    const program = join(import.meta.dirname, 'harness/mirror.ts');
    members.set(
      identity,
      spawn(process.execPath, [program, plane.kubeconfig, namespace, identity], { stdio: ['ignore', 'inherit', 'inherit'] }),
    );
  };
  t.after(() => members.forEach((member) => member.kill('SIGKILL')));

  /** Kills whoever leads, waits until it is dead, and starts another. */
  const killLeader = async (round: number): Promise<string> => {
    const leader = (await kube.get(LEASES, { namespace, name: 'mirror' })).spec?.holderIdentity ?? '';
    const member = members.get(leader);
    assert.ok(member, `nobody is called ${leader}`);
    member.kill('SIGKILL');
    await once(member, 'exit');
    members.delete(leader);
    start(`member-${round + 2}`);
    return leader;
  };
  const count = async (role: string): Promise<number> =>
    (await kube.list(CONFIG_MAPS, { namespace, labelSelector: `role=${role}` })).items.length;

  start('member-0');
  start('member-1');
  for (let at = 0; at < SOURCES; at += 1)
    await kube.create(CONFIG_MAPS, { metadata: { namespace, name: `source-${at}`, labels: { role: 'source' } }, data: { value: 'old' } });
  const leaders: string[] = [];
  for (const made of [5, 30]) {
    await until(async () => (await count('mirror')) >= made);
    leaders.push(await killLeader(leaders.length));
  }
  for (let at = 0; at < 20; at += 1) await kube.delete(CONFIG_MAPS, { namespace, name: `source-${at}` });
  for (let at = 20; at < 40; at += 1)
    await kube.patch(CONFIG_MAPS, { namespace, name: `source-${at}` }, { merge: { data: { value: 'new' } } });
  await until(async () => (await count('source')) <= SOURCES - 5);
  leaders.push(await killLeader(leaders.length));

  await until(async () => {
    const { items } = await kube.list(CONFIG_MAPS, { namespace });
    const by = (role: string) => items.filter(({ metadata }) => metadata?.labels?.['role'] === role);
    const values = new Map(by('mirror').map(({ metadata, data }) => [metadata?.name, data?.['value']]));
    return (
      by('source').length === SOURCES - 20 &&
      values.size === SOURCES - 20 &&
      by('source').every(
        ({ metadata, data }) => data?.['mirrored'] === data?.['value'] && values.get(`${metadata?.name}-mirror`) === data?.['value'],
      )
    );
  });
  assert.equal(new Set(leaders).size, 3);
  const mirrors = (await created(plane, 'configmaps', namespace)).filter((name) => name.endsWith('-mirror'));
  assert.ok(mirrors.length >= SOURCES - 20);
  assert.equal(new Set(mirrors).size, mirrors.length, 'a mirror was created twice');
  assert.ok((await kube.list(EVENTS, { namespace })).items.some(({ reason, series }) => reason === 'Mirrored' && series === undefined));
  await assert.rejects(kube.get(CONFIG_MAPS, { namespace, name: 'source-0-mirror' }), (error) => isKubeError(error, 'NotFound'));
});
