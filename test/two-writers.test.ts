/** Two processes on one run, as when a lost node still trains: the second is refused, or takes over; then the first stops and removes nothing. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileStore } from '../trainer/checkpoint/file-store.ts';
import { findNewestCheckpoint } from '../trainer/checkpoint/load-checkpoint.ts';
import { openStore } from '../trainer/checkpoint/open-store.ts';
import { LEASE_SECONDS, readOwner } from '../trainer/checkpoint/owner.ts';
import type { Store } from '../trainer/checkpoint/store.ts';
import { whenChanged } from './harness/changes.ts';
import { assertEqualWeights } from './harness/compare.ts';
import { type Seen, startFaultProxy } from './harness/fault-proxy.ts';
import { startObjectStore } from './harness/object-store.ts';
import { type Command, succeeded } from './harness/pggan.ts';
import { freeze, thaw } from './harness/processes.ts';
import { runDocumentOf, train } from './harness/tiny-run.ts';
import { checkpointFolders, createWorkspace } from './harness/tiny-training.ts';
import { lacking } from './harness/lacking.ts';

/** Another machine, as far as a process can tell from inside: its pids mean something else there. */
const ELSEWHERE = ['unshare', '--user', '--map-root-user', '--pid', '--fork', '--mount-proc', '--kill-child'];

test('a second process is refused while the first one renews its lease; a frozen one is taken over, and harms nothing when it goes on', async (t) => {
  if (noElsewhere(t)) return;
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

  await letLeaseRunOut(fileStore(run));
  const second = train(t, document, { within: ELSEWHERE });
  await succeeded(second);
  assertEqualWeights(run, reference);
  const before = contentsOf(run);

  thaw(first.pid);
  assert.equal((await first.ended).code, 75);
  assert.match(first.errors.join('\n'), /RunOwned: .*this process stops/);
  assert.deepEqual(contentsOf(run), before);
});

const isLastUpload = ({ method, url }: Seen): boolean => method === 'PUT' && url.includes('/checkpoints/000000002');

test('the same in an object store: the second goes on from the last checkpoint, and what the first had on its way changes nothing', async (t) => {
  if (noElsewhere(t)) return;
  const server = await startObjectStore(t, 'minio');
  if (!server) return;
  const proxy = await startFaultProxy(t, server.port);
  const workspace = await createWorkspace(4);
  t.after(() => workspace.remove());
  const manifest = workspace.manifest('tiny', 'shared', { totalKimg: 2, schedule: { minibatchBase: 16, tickKimgBase: 1 } });
  const reference = runDocumentOf(manifest, join(workspace.folder, 'undisturbed'), 4);
  await succeeded(train(t, reference));
  const run = { ...reference, run: { uri: `s3://${server.bucket}/runs/shared` }, store: server.options };
  Object.assign(process.env, server.env);
  const store = openStore(run.run.uri, { s3: server.options });

  proxy.fail({ kind: 'silent' }, isLastUpload, 1000);
  const first = train(t, { ...run, store: { ...server.options, endpoint: proxy.endpoint } }, { env: server.env });
  await Promise.race([proxy.arrived(isLastUpload), failed(first)]);
  assert.ok(await freeze(first.pid));
  const refused = train(t, run, { env: server.env, within: ELSEWHERE });
  assert.equal((await refused.ended).code, 75);
  assert.match(refused.errors.join('\n'), /RunOwned: .* is being written by process \d+ on .*the run is free in \d+ s/);

  await letLeaseRunOut(store);
  const second = train(t, run, { env: server.env, within: ELSEWHERE });
  await succeeded(second);
  assert.match(second.lines.join('\n'), /resuming after 1\.0 kimg/);
  const digests = [store, openStore(reference.run.uri)].map(async (each) => (await findNewestCheckpoint(each))?.checkpoint.manifest);
  const [ours, theirs] = await Promise.all(digests);
  assert.deepEqual([ours?.images, ours?.weightsDigest], [theirs?.images, theirs?.weightsDigest]);
  const before = await store.list('');

  thaw(first.pid);
  assert.equal((await first.ended).code, 75, first.errors.join('\n'));
  assert.match(first.errors.join('\n'), /RunOwned: .*this process stops/);
  assert.deepEqual(await store.list(''), before);
});

/** Whether this machine cannot play another one. */
function noElsewhere(t: TestContext): boolean {
  const tried = spawnSync(ELSEWHERE[0] ?? '', [...ELSEWHERE.slice(1), 'true'], { encoding: 'utf8' });
  if (tried.status !== 0) lacking(t, `this machine has no pid namespaces for tests: ${tried.stderr.trim()}`);
  return tried.status !== 0;
}

async function frozenUploading({ pid }: Command, run: string): Promise<true | undefined> {
  if (!(await freeze(pid))) return undefined;
  if (checkpointFolders(run).some(({ manifest, files }) => !manifest && files.length > 0)) return true;
  thaw(pid);
  return undefined;
}

/** As the clock would, in a minute. */
async function letLeaseRunOut(store: Store): Promise<void> {
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
