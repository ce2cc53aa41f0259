/** What tests of the whole operator stand on: a namespace of a real API server, a node of processes, a tiny dataset, and kubectl. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { isTrue } from '../../operator/kube/conditions.ts';
import { type StoredTraining, TRAININGS } from '../../operator/training/stored.ts';
import { scene, type Scene, until } from './kube.ts';
import { type Kubectl, kubectl } from './kubectl.ts';
import { INSTALLED } from './operator-process.ts';
import { type Place, type ProcessNode, startProcessNode } from './process-node.ts';
import { createWorkspace, type Workspace } from './tiny-training.ts';

export type Stage = Scene & { readonly workspace: Workspace; readonly node: ProcessNode; readonly run: Kubectl };

/** With a dataset up to this resolution, on the claim `data`. `at`: where pods answer, instead of loopback addresses. */
export async function stage(t: TestContext, resolution: number, at?: Place): Promise<Stage | undefined> {
  const given = await scene(t);
  const run = given && kubectl(t, given.plane);
  if (!given || !run) return undefined;
  const { plane, kube, namespace } = given;
  const workspace = await createWorkspace(resolution);
  t.after(() => workspace.remove());
  const { folder } = workspace;
  const node = startProcessNode({ kube, admin: plane.admin, namespace, claims: { data: folder }, folder: join(folder, 'node'), at });
  t.after(() => node.stop());
  return { ...given, workspace, node, run };
}

/** The manifest of a training on the claim, as a person would apply it. */
export function claimTraining({ workspace, namespace }: Stage, name: string, spec: object = {}): string {
  const local = JSON.parse(readFileSync(workspace.manifest(name, 'runs'), 'utf8')) as { readonly spec: object };
  const claims = { dataset: { uri: 'pvc://data/phantoms' }, output: { uri: 'pvc://data/runs' } };
  return JSON.stringify({ ...local, metadata: { name, namespace }, spec: { ...local.spec, ...claims, ...spec } });
}

/** The run folder of such a training, as this machine finds it. */
export const claimRun = ({ workspace, namespace }: Stage, name: string): string => join(workspace.folder, 'runs', namespace, name);

export async function apply({ run }: Stage, manifest: string): Promise<void> {
  const { code, stderr } = await run(['apply', '-f', '-'], manifest);
  assert.equal(code, 0, stderr);
}

/** Installs the operator as a person would who has no Helm. */
export async function install({ run }: Pick<Stage, 'run'>): Promise<void> {
  // Definitions of this size do not fit into the annotation that a client-side apply writes.
  const { code, stderr } = await run(['apply', '--server-side', '-f', '-'], INSTALLED);
  assert.equal(code, 0, stderr);
}

export const current = ({ kube, namespace }: Stage, name: string): Promise<StoredTraining> => kube.get(TRAININGS, { namespace, name });

/** The training when it has succeeded; fails when it stalls. */
export async function succeeded(at: Stage, name: string): Promise<StoredTraining> {
  await until(async () => {
    const { status } = await current(at, name);
    const stalled = status?.conditions?.find(({ type }) => type === 'Stalled');
    assert.equal(stalled, undefined, stalled?.message);
    return isTrue(status?.conditions, 'Succeeded');
  });
  return current(at, name);
}
