/** What promtool has to say to metrics, as Prometheus would read them. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';

/** Fails with what `promtool check metrics` complains of, be it syntax or naming. */
export function assertClean(promtool: string, metrics: string): void {
  const { status, stdout, stderr } = spawnSync(promtool, ['check', 'metrics'], { input: metrics, encoding: 'utf8' });
  assert.deepEqual({ status, said: `${stdout}${stderr}`.trim() }, { status: 0, said: '' });
}
