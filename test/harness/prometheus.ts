/** A real Prometheus that scrapes processes of this machine every second, and is asked as Grafana would ask it. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { stringify } from 'yaml';
import type { Ask } from '../../monitoring/plot.ts';
import { binary } from './binaries.ts';
import { until } from './kube.ts';
import { startServer } from './server-process.ts';

export type Prometheus = {
  /** Series over a span of Unix time. */
  readonly ask: (fromSeconds: number, toSeconds: number) => Ask;
  /** The data of an answer of its HTTP API. */
  get(path: string, parameters: Readonly<Record<string, string>>): Promise<unknown>;
};

/** Operators that run as processes of this machine. */
export const here = (ports: readonly string[]): object => ({ static_configs: [{ targets: ports.map((port) => `127.0.0.1:${port}`) }] });

/** Those that a file names, whose contents `targets` makes, as they are at the time. */
export const inFile = (file: string): object => ({ file_sd_configs: [{ files: [file] }] });
export const targets = (addresses: readonly string[]): string => JSON.stringify([{ targets: addresses }]);

/** @param where the targets, as a part of a scrape configuration. Ended after the test; undefined where it has not been built (the test is skipped, with CI=true it fails). */
export async function startPrometheus(t: TestContext, where: object, rules: string): Promise<Prometheus | undefined> {
  const program = binary(t, 'prometheus');
  if (program === undefined) return undefined;
  const folder = mkdtempSync(join(tmpdir(), 'pggan-prometheus-'));
  const config = {
    global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
    rule_files: [rules],
    scrape_configs: [{ job_name: 'pggan-operator', honor_labels: true, ...where }],
  };
  writeFileSync(join(folder, 'prometheus.yml'), stringify(config));
  const flags = [`--config.file=${join(folder, 'prometheus.yml')}`, `--storage.tsdb.path=${join(folder, 'data')}`];
  const server = startServer(program, [...flags, '--web.listen-address=127.0.0.1:0'], join(folder, 'log'));
  t.after(async () => {
    await server.kill();
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  });
  const address = (): string | undefined => server.lastSaid(/msg="Listening on".* address=(\S+)/);
  await until(() => address() !== undefined || !server.running());
  assert.ok(server.running(), server.output());

  const get: Prometheus['get'] = async (path, parameters) => {
    const response = await fetch(`http://${address()}/api/v1/${path}?${new URLSearchParams(parameters).toString()}`);
    const { status, data, error } = (await response.json()) as { status: string; data: unknown; error?: string };
    assert.equal(status, 'success', `${JSON.stringify(parameters)}: ${error}`);
    return data;
  };
  return {
    get,
    ask: (from, to) => async (query) => {
      const span = { start: String(from), end: String(to), step: String(Math.max(1, Math.ceil((to - from) / 5000))) };
      const { result } = (await get('query_range', { query, ...span })) as { readonly result: readonly Matrix[] };
      return result.map(({ metric, values }) => ({
        labels: metric,
        points: values.map(([time, value]) => ({ time, value: Number(value) })),
      }));
    },
  };
}

type Matrix = { readonly metric: Readonly<Record<string, string>>; readonly values: readonly (readonly [number, string])[] };
