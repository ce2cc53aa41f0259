import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Kube } from './client.ts';
import { isKubeError } from './errors.ts';
import { writesWhile } from './leading.ts';
import { JOBS } from './resource.ts';

test('a process that leads no longer reads on and changes nothing', async () => {
  const asked: string[] = [];
  const answer = (verb: string) => async (): Promise<unknown> => void asked.push(verb);
  const verbs = ['get', 'create', 'apply', 'patch', 'delete'] as const;
  const server = Object.fromEntries(verbs.map((verb) => [verb, answer(verb)])) as unknown as Kube;
  let leads = true;
  const kube = writesWhile(() => leads, server);
  const ref = { namespace: 'research', name: 'x' };
  const changes = [
    () => kube.create(JOBS, {}),
    () => kube.apply(JOBS, ref, {}, { fieldManager: 'm', force: false }),
    () => kube.patch(JOBS, ref, { merge: {} }),
    () => kube.delete(JOBS, ref),
  ];
  for (const change of changes) await change();
  leads = false;
  for (const change of changes) await assert.rejects(change(), (error) => isKubeError(error, 'NotLeading'));
  await kube.get(JOBS, ref);
  assert.deepEqual(asked, ['create', 'apply', 'patch', 'delete', 'get']);
});
