/** What a person sees of an object by kubectl, how long each step of theirs took, and what is kept of it to be shown. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PGGANTrainingStatus } from '../../crds/v1alpha1/pggan-training-status.ts';
import type { Command } from '../harness/command.ts';
import { NAMESPACE } from './stage.ts';

export type Seen = { readonly status?: PGGANTrainingStatus };
type Condition = { readonly type: string; readonly status: string; readonly reason: string; readonly message: string };

export async function seen(run: Command, kind: string, name: string): Promise<Seen> {
  const { code, stdout, stderr } = await run(['get', kind, name, '-n', NAMESPACE, '-o', 'json']);
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Seen;
}

export function conditionOf({ status }: Seen, type: string): Condition | undefined {
  return status?.conditions?.find((condition) => condition.type === type);
}

export type Story = { of<T>(step: string, work: () => Promise<T>): Promise<T>; print(): void };

/** Remembers how long the steps of a story took, for the end. */
export function story(): Story {
  const lines: string[] = [];
  return {
    async of(step, work) {
      const started = performance.now();
      const result = await work();
      lines.push(`# ${step}: ${((performance.now() - started) / 1000).toFixed(1)} s`);
      return result;
    },
    print: () => void process.stdout.write(`${lines.join('\n')}\n`),
  };
}

/** Pictures and listings for the docs, where somebody asks for them by naming a folder. */
export function keep(name: string, contents: string | Uint8Array): void {
  const folder = process.env['PGGAN_KEEP'];
  if (folder === undefined) return;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, name), contents);
}
