/** Two processes on one run, as when a lost node still trains: the second is refused, or takes over; then the first stops and removes nothing. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileStore } from '../trainer/checkpoint/file-store.ts';
import { LEASE_SECONDS, readOwner } from '../trainer/checkpoint/owner.ts';
import { whenChanged } from './harness/changes.ts';
import { assertEqualWeights } from './harness/compare.ts';
import { type Command, succeeded } from './harness/pggan.ts';
import { freeze, thaw } from './harness/processes.ts';
import { runDocumentOf, train } from './harness/tiny-run.ts';
import { checkpointFolders, createWorkspace } from './harness/tiny-training.ts';
import { lacking } from './harness/lacking.ts';

/** Another machine, as far as a process can tell from inside: its pids mean something else there. */
const ELSEWHERE = ['unshare', '--user', '--map-root-user', '--pid', '--fork', '--mount-proc', '--kill-child'];

test('a second process is refused while the first one renews its lease; a frozen one is taken over, and harms nothing when it goes on', async (t) => {
  const tried = spawnSync(ELSEWHERE[0] ?? '', [...ELSEWHERE.slice(1), 'true'], { encoding: 'utf8' });
  if (tried.status !== 0) return lacking(t, `this machine has no pid namespaces for tests: ${tried.stderr.trim()}`);
  const workspace = await createWorkspace(4);
  t.after(() => workspace.remove());
  const manifest = workspace.manifest('tiny', 'shared', { totalKimg: 2, schedule: { minibatchBase: 16, tickKimgBase: 1 } });
  const reference = join(workspace.folder, 'undisturbed');
  const run = join(workspace.folder, 'shared');
  const document = runDocumentOf(manifest, run, 4);
  await succeeded(train(t, runDocumentOf(manifest, reference, 4)));

  const first = train(t, document);
  // In the middle of an upload: the most that it can still do.
  await whenChanged(join(run, 'checkpoints'), () => frozenUploading(first, run), failed(first));
  const refused = train(t, document, { within: ELSEWHERE });
  assert.equal((await refused.ended).code, 75);
  assert.match(refused.errors.join('\n'), /RunOwned: .* is being written by process \d+ on .*the run is free in \d+ s/);

  await letLeaseRunOut(run);
  const second = train(t, document, { within: ELSEWHERE });
  await succeeded(second);
  assertEqualWeights(run, reference);
  const before = contentsOf(run);

  thaw(first.pid);
  assert.equal((await first.ended).code, 75);
  assert.match(first.errors.join('\n'), /RunOwned: .*this process stops/);
  assert.deepEqual(contentsOf(run), before);
});

async function frozenUploading({ pid }: Command, run: string): Promise<true | undefined> {
  if (!(await freeze(pid))) return undefined;
  if (checkpointFolders(run).some(({ manifest, files }) => !manifest && files.length > 0)) return true;
  thaw(pid);
  return undefined;
}

/** As the clock would, in a minute. */
async function letLeaseRunOut(run: string): Promise<void> {
  const store = fileStore(run);
  const found = (await readOwner(store)) ?? assert.fail('nobody owns the run');
  const renewed = new Date(Date.parse(found.record.renewed) - 2 * LEASE_SECONDS * 1000).toISOString();
  const condition = { kind: 'version', version: found.version } as const;
  assert.ok(await store.write('owner.json', [Buffer.from(JSON.stringify({ ...found.record, renewed }))], condition));
}

/** Every file that readers of a run see, with its bytes. */
function contentsOf(run: string): Readonly<Record<string, string>> {
  const names = readdirSync(run, { recursive: true, encoding: 'utf8' }).filter(
    (name) => !name.split('/').some((part) => part.startsWith('.')),
  );
  const files = names.filter((name) => statSync(join(run, name)).isFile()).sort();
  return Object.fromEntries(files.map((name) => [name, readFileSync(join(run, name), 'latin1')]));
}

async function failed(command: Command): Promise<never> {
  await command.ended;
  throw new Error(`the first process ended: ${[...command.lines, ...command.errors].join('\n')}`);
}
