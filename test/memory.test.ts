/** What does not fit, or cannot be computed here, is refused by the real commands before anything is trained; `plan` says what a training takes. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { readManifests } from '../crds/manifest.ts';
import { phaseMemoryBytes } from '../crds/memory.ts';
import { parseProgress } from '../crds/progress.ts';
import { resolveTrainingRun } from '../crds/resolve.ts';
import type { TrainingRun } from '../crds/run.ts';
import type { TrainingPlan } from '../trainer/plan/plan.ts';
import { phasesAhead } from '../trainer/train/check-memory.ts';
import { type Command, pggan, succeeded, trainer } from './harness/pggan.ts';
import { createWorkspace, newestCheckpoint, uriOf, type Workspace } from './harness/tiny-training.ts';

/** Grows once, from 4x4 to 8x8. */
const SPEC = { resolution: 8, totalKimg: 3 };
/** The second phase takes more memory than the first. */
const WIDE = { schedule: { trainKimg: 1, transitionKimg: 1, minibatches: [{ resolution: 8, minibatch: 1024 }] } };

suite('a run is weighed before it begins', { concurrency: false }, () => {
  let workspace: Workspace;
  before(async () => {
    workspace = await createWorkspace(8);
  });
  after(() => workspace.remove());

  const manifest = (output: string, spec: object = {}): string => workspace.manifest('tiny', output, { ...SPEC, ...spec });
  const trained = (output: string): boolean => newestCheckpoint(workspace.runFolder('tiny', output)) !== undefined;
  const runOf = async (file: string, task: TrainingRun['task'], output: string): Promise<TrainingRun> => {
    const [training] = await readManifests(file);
    assert(training?.kind === 'PGGANTraining');
    return resolveTrainingRun(training, { task, cluster: 'test', port: 0, runUri: uriOf(workspace.runFolder('tiny', output)) });
  };

  test('the local driver refuses a run whose last phase does not fit, before its first image, with exit code 3', async (t) => {
    const file = manifest('small', WIDE);
    const [four, eight] = phasesAhead(await runOf(file, { kind: 'preflight' }, 'small'), 0).map(phaseMemoryBytes);
    assert(four !== undefined && eight !== undefined && four < eight);
    const started = pggan(t, ['start', file], { env: { PGGAN_MEMORY_LIMIT_BYTES: String(eight - 1) } });
    assert.equal((await started.ended).code, 3, said(started));
    assert.match(
      said(started),
      /8x8 needs .* with a minibatch of 1024 in Float32, but PGGAN_MEMORY_LIMIT_BYTES is .*: the largest minibatch that fits is 1020/,
    );
    assert(!trained('small'));
    assert(!existsSync(join(workspace.runFolder('tiny', 'small'), 'run.json')), 'the smaller minibatch would be refused as another run');
  });

  test('a phase refuses itself with exit code 3, and leaves the reason as its last word', async (t) => {
    const run = await runOf(manifest('pod'), { kind: 'train', resolution: 4 }, 'pod');
    const log = join(workspace.folder, 'termination');
    const phase = trainer(t, run, { env: { PGGAN_MEMORY_LIMIT_BYTES: '3e8', PGGAN_TERMINATION_LOG: log } });
    assert.equal((await phase.ended).code, 3, said(phase));
    const progress = parseProgress(readFileSync(log, 'utf8'));
    assert.equal(progress?.failure?.code, 'DoesNotFit');
    assert.match(progress.failure.message, /4x4 needs .*: not even a minibatch of 1 fits/);
    assert(!trained('pod'));
  });

  test("a preflight on a cluster weighs the phases against their pods' limits, not against its own", async (t) => {
    const file = manifest('cluster', { phases: [{ resolution: 8, template: { resources: { limits: { memory: '256Mi' } } } }] });
    const preflight = trainer(t, await runOf(file, { kind: 'preflight' }, 'cluster'), {
      env: { PGGAN_MEMORY_LIMIT_BYTES: '1e8' },
    });
    assert.equal((await preflight.ended).code, 3, said(preflight));
    assert.match(said(preflight), /8x8 needs .*but the memory limit of its pod is 268 MB/);
    assert.doesNotMatch(said(preflight), /4x4 needs/);
  });

  test('on WebAssembly mixed precision is refused before 4x4, and what its heap cannot hold with exit code 3', async (t) => {
    const env = { PGGAN_BACKEND: 'wasm' };
    const mixed = pggan(t, ['start', manifest('mixed', { precision: 'BFloat16Mixed' })], { env });
    assert.equal((await mixed.ended).code, 2, said(mixed));
    assert.match(said(mixed), /spec\.precision is BFloat16Mixed, but the WebAssembly backend has no bfloat16/);
    const network = { channels: 1, fmapBase: 8192, fmapMax: 512, latentSize: 512 };
    const run = await runOf(
      manifest('large', { network, schedule: { trainKimg: 1, transitionKimg: 1, minibatchBase: 512 } }),
      { kind: 'train', resolution: 4 },
      'large',
    );
    const large = trainer(t, run, { env });
    assert.equal((await large.ended).code, 3, said(large));
    assert.match(said(large), /8x8 needs .*WebAssembly's heap is 4\.3 GB: the largest minibatch that fits is \d+/);
    assert(!trained('mixed') && !trained('large'));
  });

  test('plan measures every phase on this machine and prints a table', async (t) => {
    const plan = pggan(t, ['plan', manifest('plan'), '--iterations', '1']);
    await succeeded(plan);
    const rows = plan.lines.filter((line) => /^(4x4|8x8|total) /.test(line)).map((line) => line.split(/ {2,}/));
    assert.deepEqual(
      rows.map(([phase, images]) => [phase, images]),
      [
        ['4x4', '1,024'],
        ['8x8', '1,984'],
        ['total', '3,008'],
      ],
    );
    const [four = [], eight = []] = rows;
    assert.equal(four[4], '-', '4x4 never fades in');
    for (const figure of [four[5], eight[4], eight[5]]) assert(Number(figure) > 0, plan.lines.join('\n'));
    assert.match(plan.lines.join('\n'), /measured on .* \(native 2\./);
    assert.match(plan.lines.join('\n'), /memory: every phase fits/);
    assert(!existsSync(workspace.runFolder('tiny', 'plan')), 'a plan leaves nothing behind');
  });

  test('plan --json is one object whose totals are the sums of its phases; a phase that does not fit ends it with exit code 3', async (t) => {
    const file = manifest('json', WIDE);
    const [, eight = 0] = phasesAhead(await runOf(file, { kind: 'preflight' }, 'json'), 0).map(phaseMemoryBytes);
    const planned = pggan(t, ['plan', file, '--estimate', '--json'], { env: { PGGAN_MEMORY_LIMIT_BYTES: String(eight - 1) } });
    assert.equal((await planned.ended).code, 3, said(planned));
    const plan = JSON.parse(planned.lines.join('')) as TrainingPlan;
    const sum = (of: 'images' | 'seconds'): number => plan.phases.reduce((total, phase) => total + phase[of], 0);
    assert.equal(plan.images, sum('images'));
    assert.equal(plan.seconds, sum('seconds'));
    assert.deepEqual(
      plan.phases.map(({ resolution, fits, largestMinibatch, isMeasured }) => ({ resolution, fits, largestMinibatch, isMeasured })),
      [
        { resolution: 4, fits: true, largestMinibatch: null, isMeasured: false },
        { resolution: 8, fits: false, largestMinibatch: 1020, isMeasured: false },
      ],
    );
  });
});

const said = ({ lines, errors }: Command): string => [...lines, ...errors].join('\n');
