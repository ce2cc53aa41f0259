import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { commandOf } from '../../test/harness/command.ts';
import { shared } from '../../test/harness/shared.ts';

const golden = commandOf(process.execPath, [fileURLToPath(new URL('../golden.ts', import.meta.url))], { HOME: process.env['HOME'] ?? '' });

test('a file that is no golden case is reported with its error; those after it are replayed, and the command fails', async (t) => {
  const good = shared(t, 'golden/d2_nopixelnorm.safetensors');
  if (good === undefined) return;
  const folder = await mkdtemp(join(tmpdir(), 'pggan-golden-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const [missing, broken] = [join(folder, 'missing.safetensors'), join(folder, 'broken.safetensors')];
  await writeFile(broken, 'these are no tensors');
  const { code, stdout } = await golden([missing, broken, good]);
  assert.equal(code, 1);
  const reports = JSON.parse(stdout) as readonly { readonly file: string; readonly ok: boolean; readonly error?: string }[];
  assert.deepEqual(
    reports.map(({ file, ok }) => [file, ok]),
    [
      [missing, false],
      [broken, false],
      [good, true],
    ],
  );
  assert.match(reports[0]?.error ?? '', /ENOENT.*missing\.safetensors/);
  assert.match(reports[1]?.error ?? '', /^CheckpointInvalid: .*broken\.safetensors/);
});

test('without files it says what to name', async () => {
  const { code, stderr } = await golden([]);
  assert.equal(code, 2);
  assert.match(stderr, /^UsageInvalid: name at least one golden file/);
});
