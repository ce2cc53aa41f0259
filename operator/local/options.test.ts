/** What the command line changes in a manifest. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PgganError } from '../../crds/errors.ts';
import { readManifests } from '../../crds/manifest.ts';
import { overrideOf, refuseOptionsOfNpm } from './options.ts';
import { QUICKSTART } from './start.ts';

test('the quick start may grow to another resolution and keeps its training after the last fade', async () => {
  const [small] = await readManifests(QUICKSTART, overrideOf({}));
  const [large] = await readManifests(QUICKSTART, overrideOf({ resolution: 64 }));
  assert(small?.kind === 'PGGANTraining' && large?.kind === 'PGGANTraining');
  const { trainKimg = 0, transitionKimg = 0 } = small.spec.schedule ?? {};
  assert.equal(large.spec.totalKimg, small.spec.totalKimg + trainKimg + transitionKimg);
});

test('a run on a folder of images is named after it and its resolution', async () => {
  const [training] = await readManifests(QUICKSTART, overrideOf({ images: '/data/train/NORMAL (2)', resolution: 32 }));
  assert.equal(training?.metadata.name, 'normal-2-32');
});

test('a value that an option gave is refused by the option, the others by the line of the manifest', async () => {
  await assert.rejects(readManifests(QUICKSTART, overrideOf({ resolution: 33, name: 'Not A Name' })), (error) => {
    assert(error instanceof PgganError);
    const lines = error.message.split('\n');
    assert(
      lines.some((line) => line.startsWith('--resolution 33: ')),
      error.message,
    );
    assert(
      lines.some((line) => line.startsWith('--name Not A Name: ')),
      error.message,
    );
    assert(!error.message.includes('quickstart.yaml'), error.message);
    return true;
  });
  await assert.rejects(readManifests(QUICKSTART, overrideOf({ totalKimg: 1 })), /--total-kimg 1: the run ends at 1 kimg/);
});

test('options that npm kept for itself are refused with what to type; those of other scripts and after -- are none of ours', () => {
  const options = [
    { long: '--images', required: true },
    { long: '--total-kimg', required: true },
    { long: '--phantoms', required: false },
  ];
  // What npm 10 and 11 hand on for `npm start --images /data/x --total-kimg 8 --phantoms`.
  const kept = { npm_lifecycle_event: 'start', npm_config_images: 'true', npm_config_total_kimg: 'true', npm_config_phantoms: 'true' };
  assert.throws(
    () => refuseOptionsOfNpm(options, kept),
    (error) =>
      error instanceof PgganError &&
      error.code === 'UsageInvalid' &&
      error.message.includes('`npm start -- --images ... --total-kimg ... --phantoms`'),
  );
  refuseOptionsOfNpm(options, { npm_lifecycle_event: 'start', npm_config_cache: '/x' });
  refuseOptionsOfNpm(options, { npm_lifecycle_event: 'bench', npm_config_images: '/x' });
});
