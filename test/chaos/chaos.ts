/** `npm run test:chaos`: a training against MinIO whose trainer, server, network, room and checkpoints are all harmed ends with the same bits. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { TrainingRun } from '../../crds/run.ts';
import { MANIFEST } from '../../trainer/checkpoint/format.ts';
import { listCheckpoints, readManifest } from '../../trainer/checkpoint/load-checkpoint.ts';
import { s3Store } from '../../trainer/checkpoint/s3-store.ts';
import type { Store } from '../../trainer/checkpoint/store.ts';
import { createRandom, type Random } from '../../trainer/train/random.ts';
import { assertEqualLogs, assertEqualPictures, assertEqualWeights } from '../harness/compare.ts';
import { startFaultProxy } from '../harness/fault-proxy.ts';
import { startObjectStore } from '../harness/object-store.ts';
import { type Command, succeeded } from '../harness/pggan.ts';
import { isAlive, killHard } from '../harness/processes.ts';
import { progressWhen, runDocumentOf, train } from '../harness/tiny-run.ts';
import { createWorkspace } from '../harness/tiny-training.ts';
import { cutConnections, fillBucket, flipByte, type Harm, restartServer, type World } from './harm.ts';
import { type Loss, lossOf, lossText, watchLife } from './losses.ts';

const KILLS = 30;
const SEED = Number(process.env['PGGAN_CHAOS_SEED'] ?? 1);
/** Phases end after 1,024, 4,032 and 16,000 images; the last two begin with fades of 2,000. */
const SPEC = { totalKimg: 16, schedule: { trainKimg: 1, transitionKimg: 2, minibatchBase: 16, tickKimgBase: 1 } };
const PHASES = [4, 8, 16] as const;
const CHECKPOINT_IMAGES = 128;
const PREFIX = 'runs/chaos';

/** What befalls the training before the kill of this number. */
const HARMS: Readonly<Record<number, Harm>> = { 5: restartServer, 10: cutConnections, 15: fillBucket, 20: flipByte, 25: restartServer };

test(`${KILLS} kills, a server that dies twice, cut connections, a full bucket and a flipped bit do not change one bit of the result`, async (t) => {
  const server = await startObjectStore(t, 'minio');
  if (!server) return;
  const proxy = await startFaultProxy(t, server.port);
  const workspace = await createWorkspace(16);
  t.after(() => workspace.remove());
  const manifest = workspace.manifest('chaos', 'chaos', SPEC);
  const reference = join(workspace.folder, 'undisturbed');
  for (const resolution of PHASES) await succeeded(train(t, saving(runDocumentOf(manifest, reference, resolution))));

  const uri = `s3://${server.bucket}/${PREFIX}`;
  const store = s3Store(uri, { s3: server.options, env: server.env });
  const access = { store: { ...server.options, endpoint: proxy.endpoint }, env: { ...server.env, AWS_ENDPOINT_URL: proxy.endpoint } };
  const random = createRandom(SEED);
  const losses: Loss[] = [];
  const spoken: string[] = [];
  for (const resolution of PHASES) {
    for (let complete = false; !complete; ) {
      const run: TrainingRun = { ...saving(runDocumentOf(manifest, reference, resolution)), run: { uri }, store: access.store };
      const trainer = train(t, run, { env: access.env });
      const world = { server, proxy, store, prefix: PREFIX, trainer };
      const loss = losses.length < KILLS ? await killAtRandom(world, losses.length, random) : undefined;
      const { code, signal } = await trainer.ended;
      spoken.push(...trainer.lines);
      if (loss) losses.push(loss);
      // 75: it was still taken for another process's; 4: the store was away for too long. Both are started again, as the operator does.
      else assert.ok([0, 4, 75].includes(code ?? -1), `ended with ${code ?? signal}: ${[...trainer.lines, ...trainer.errors].join('\n')}`);
      complete = code === 0;
    }
  }
  assert.equal(losses.length, KILLS, 'the training was over before all kills');
  assert.ok(
    spoken.some((line) => /^warning: checkpoint checkpoints\/\d{12}\/ is damaged and was skipped/.test(line)),
    'nobody met the flipped bit',
  );

  await assertAllNamed(store);
  const copy = await copied(store, join(workspace.folder, 'copy'));
  assertEqualWeights(copy, reference);
  assertEqualLogs(copy, reference);
  assertEqualPictures(copy, reference);
  say(lossText(losses));
});

const say = (text: string): void => void process.stdout.write(`# ${text}\n`);

function saving(run: TrainingRun): TrainingRun {
  return { ...run, checkpoints: { ...run.checkpoints, everyKimg: CHECKPOINT_IMAGES / 1000 } };
}

/** Lets harm be done where it is time, then kills the trainer at a random moment; undefined where it ended by itself before. */
async function killAtRandom(world: World, kill: number, random: Random): Promise<Loss | undefined> {
  const { trainer, store } = world;
  const life = watchLife(trainer);
  const harm = HARMS[kill];
  const [where = 0, wait = 0] = random.uniform('kill', kill, 2);
  const { lived } = await unlessEnded(trainer, async () => {
    // Some die while they start; the others when they have saved none, one or two checkpoints, or when the harm is done.
    if (where < 0.2 && !harm) return setTimeout(wait * 2000);
    await progressWhen(trainer, ({ state }) => state === 'Training' || state === 'FadingIn');
    if (harm) await harm(world);
    else await checkpoints(trainer, Math.floor(where * 3));
    if (harm !== flipByte) await setTimeout(wait * 300);
  });
  if (!lived) return undefined;
  killHard(trainer.pid);
  await trainer.ended;
  const saved = (await listCheckpoints(store)).find(({ committed }) => committed)?.images ?? 0;
  const loss = lossOf(life, saved);
  say(`kill ${kill + 1}${harm ? ' after harm' : ''}: ${life.secondsSoFar().toFixed(1)} s old, ${saved} images saved, ${loss.images} lost`);
  return loss;
}

/** Waits until so many more checkpoints are saved. */
async function checkpoints(trainer: Command, count: number): Promise<void> {
  let newest = (await progressWhen(trainer, () => true)).checkpoint?.images ?? 0;
  for (let saved = 0; saved < count; saved++) {
    const { checkpoint } = await progressWhen(trainer, (progress) => (progress.checkpoint?.images ?? 0) > newest);
    newest = checkpoint?.images ?? newest;
  }
}

async function unlessEnded(trainer: Command, work: () => Promise<unknown>): Promise<{ readonly lived: boolean }> {
  try {
    await work();
  } catch (error) {
    if (isAlive(trainer.pid)) throw error;
  }
  return { lived: isAlive(trainer.pid) };
}

/** Every object below checkpoints/ and logs/ is one that a checkpoint names, or its checkpoint.json. */
async function assertAllNamed(store: Store): Promise<void> {
  const named = new Set<string>();
  for (const { key } of await listCheckpoints(store)) {
    const { manifest } = await readManifest(store, key);
    for (const name of [MANIFEST, ...Object.keys(manifest.files)]) named.add(key + name);
    for (const segment of manifest.segments) named.add(segment.key);
  }
  const there = [...(await store.list('checkpoints/')), ...(await store.list('logs/'))].map(({ key }) => key);
  assert.ok(there.length > 0);
  assert.deepEqual(
    there.filter((key) => !named.has(key)),
    [],
  );
}

async function copied(store: Store, folder: string): Promise<string> {
  for (const { key } of await store.list('')) {
    const path = join(folder, key);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, (await store.read(key)) ?? assert.fail(`${key} is gone`));
  }
  return folder;
}
