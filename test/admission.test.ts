/** The API server itself refuses, by our CustomResourceDefinitions alone, what would cost a run; it agrees with the local validator case by case. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { BAD_EDITS, GOOD_EDITS } from '../crds/edit.cases.ts';
import { BAD_MANIFESTS } from '../crds/manifest.cases.ts';
import { type Change, changed, GOOD } from '../crds/test-objects.ts';
import { KINDS } from '../crds/crd.ts';
import { objectSchema, type Structural } from '../crds/structural.ts';
import { validateManifest } from '../crds/validate.ts';
import type { Answer } from './harness/api-client.ts';
import { controlPlane, freshNamespace } from './harness/shared-control-plane.ts';

type Of = keyof typeof GOOD;

test('the API server refuses every bad manifest and names its field', async (t) => {
  const api = await open(t);
  if (!api) return;
  for (const { name, of, change, field } of BAD_MANIFESTS) {
    await t.test(`a ${of} with ${name}`, async () =>
      refusedAt(await api.create(of, [change], true), field, localRefusal(changed(of, change))),
    );
  }
});

test('the API server refuses every edit that would change what is trained or drawn, also by removing and adding', async (t) => {
  const api = await open(t);
  if (!api) return;
  for (const { name, of, before, change, field } of BAD_EDITS) {
    await t.test(`${name} (${of})`, async () =>
      refusedAt(await api.edit(of, before, change), field, localRefusal(changed(of, change), changed(of, before))),
    );
  }
});

test('the API server accepts every edit that a run survives', async (t) => {
  const api = await open(t);
  if (!api) return;
  for (const { name, of, before, change } of GOOD_EDITS) {
    await t.test(`${name} (${of})`, async () => accepted(await api.edit(of, before, change), 200));
  }
});

test('at least sixty manifests and edits are refused', () => assert.ok(BAD_MANIFESTS.length + BAD_EDITS.length >= 60));

/** Works in a namespace of its own; each object that is edited has a name of its own. */
async function open(t: TestContext) {
  const plane = await controlPlane(t);
  if (!plane) return undefined;
  const namespace = await freshNamespace(plane.admin);
  let count = 0;
  const pathOf = (of: Of): string =>
    `/apis/pggan.dev/v1alpha1/namespaces/${namespace}/${of === 'training' ? 'pggantrainings' : 'synthesisjobs'}`;
  const create = (of: Of, changes: readonly Change[], dryRun: boolean): Promise<Answer> => {
    const manifest = changed(of, { 'metadata/namespace': namespace }, ...changes);
    return plane.admin.send('POST', `${pathOf(of)}?fieldValidation=Strict${dryRun ? '&dryRun=All' : ''}`, manifest);
  };
  return {
    create,
    async edit(of: Of, before: Change, change: Change): Promise<Answer> {
      count += 1;
      const name = { 'metadata/name': `edited-${count}` };
      const made = await create(of, [before, name], false);
      accepted(made, 201);
      const { resourceVersion } = (made.body as { metadata: { resourceVersion: string } }).metadata;
      const there = { 'metadata/namespace': namespace, 'metadata/resourceVersion': resourceVersion };
      return plane.admin.send('PUT', `${pathOf(of)}/edited-${count}?fieldValidation=Strict`, changed(of, there, change, name));
    },
  };
}

function accepted({ status, body, warnings }: Answer, wanted: number): void {
  assert.equal(status, wanted, JSON.stringify(body));
  assert.deepEqual(warnings, []);
}

/**
 * The refusal has the field, and where a rule of ours refuses, its words. An unknown field stops the API server before it looks at anything else;
 * rules on the whole object have no field but name it in their words.
 */
function refusedAt({ status, body }: Answer, field: string, ruleMessages: readonly string[]): void {
  const { message, details } = body as Refusal;
  if (status === 400) return assert.ok(message.includes(`unknown field "${field}"`), message);
  assert.equal(status, 422, message);
  const fields = (details.causes ?? []).map((cause) => cause.field);
  assert.ok(fields.includes(field || '<nil>'), `expected ${field} among ${fields.join(', ')}: ${message}`);
  for (const words of ruleMessages) assert.ok(message.includes(words), `expected "${words}" in: ${message}`);
}

type Refusal = { readonly message: string; readonly details: { readonly causes?: readonly { readonly field: string }[] } };

const RULE_MESSAGES = new Set(KINDS.flatMap((kind) => messagesIn(objectSchema(kind))));

function messagesIn(schema: Structural): readonly string[] {
  const children = [...Object.values(schema.properties ?? {}), schema.items, schema.additionalProperties].filter(
    (child) => child !== undefined,
  );
  return [...(schema['x-kubernetes-validations'] ?? []).map(({ message }) => message), ...children.flatMap(messagesIn)];
}

/** What the rules say to a manifest on this side of the API server. */
function localRefusal(manifest: unknown, before?: unknown): readonly string[] {
  const old = before === undefined ? undefined : validateManifest(before);
  const result = validateManifest(manifest, old?.ok ? { old: old.object } : {});
  assert.ok(!result.ok);
  return result.problems.map(({ message }) => message).filter((message) => RULE_MESSAGES.has(message));
}
