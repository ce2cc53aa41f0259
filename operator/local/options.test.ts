/** What the command line changes in a manifest. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readManifests } from '../../crds/manifest.ts';
import { overrideOf } from './options.ts';
import { QUICKSTART } from './start.ts';

test('the quick start may grow to another resolution and keeps its training after the last fade', async () => {
  const [small] = await readManifests(QUICKSTART, overrideOf({ output: 'runs' }));
  const [large] = await readManifests(QUICKSTART, overrideOf({ output: 'runs', resolution: 64 }));
  assert(small?.kind === 'PGGANTraining' && large?.kind === 'PGGANTraining');
  const { trainKimg = 0, transitionKimg = 0 } = small.spec.schedule ?? {};
  assert.equal(large.spec.totalKimg, small.spec.totalKimg + trainKimg + transitionKimg);
});

test('a run on a folder of images is named after it and its resolution', async () => {
  const [training] = await readManifests(QUICKSTART, overrideOf({ output: 'runs', images: '/data/train/NORMAL (2)', resolution: 32 }));
  assert.equal(training?.metadata.name, 'normal-2-32');
});
