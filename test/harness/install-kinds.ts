/** Installs CustomResourceDefinitions: ours as they are generated, and those of others. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { parse } from 'yaml';
import type { ApiClient } from './api-client.ts';

const CRDS = join(import.meta.dirname, '../../crds');
const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

/** Creates the generated CustomResourceDefinitions and returns once their objects are served. @throws where the API server refuses one */
export async function installKinds(admin: ApiClient): Promise<void> {
  const files = readdirSync(CRDS).filter((file) => file.endsWith('.yaml'));
  await installDefinitions(
    admin,
    files.map((file) => parse(readFileSync(join(CRDS, file), 'utf8')) as Definition),
  );
}

/** Creates definitions and returns once their objects are served. @throws where the API server refuses one */
export async function installDefinitions(admin: ApiClient, definitions: readonly Definition[]): Promise<void> {
  for (const definition of definitions) {
    const { status, body, warnings } = await admin.send('POST', `${DEFINITIONS}?fieldValidation=Strict`, definition);
    if (status !== 201 || warnings.length > 0)
      throw new Error(`${definition.metadata.name}: ${status} ${JSON.stringify({ warnings, body })}`);
  }
  for (const { metadata, spec } of definitions) {
    while (!(await established(admin, metadata.name))) await setTimeout(25);
    // Its handler is put up a moment after the condition is.
    for (const { name } of spec.versions.filter(({ served }) => served)) {
      while ((await admin.send('GET', `/apis/${spec.group}/${name}/${spec.names.plural}?limit=1`)).status !== 200) await setTimeout(25);
    }
  }
}

type Definition = {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly group: string;
    readonly names: { readonly plural: string };
    readonly versions: readonly { readonly name: string; readonly served: boolean }[];
  };
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
};

async function established(admin: ApiClient, name: string): Promise<boolean> {
  const { body } = await admin.send('GET', `${DEFINITIONS}/${name}`);
  return (body as Definition).status?.conditions?.some(({ type, status }) => type === 'Established' && status === 'True') ?? false;
}
