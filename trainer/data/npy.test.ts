import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { judge } from '../../test/harness/judge.ts';
import { encodeLabels } from './npy.ts';

test('NumPy loads labels as they were written, and would have written the same bytes', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'pggan-npy-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const ours = join(folder, 'ours.npy');
  const values = new Float32Array([1, 0, 0, 0, 0.25, -1.5]);
  writeFileSync(ours, encodeLabels({ rows: 3, size: 2, values }));
  const said = judge(
    t,
    'import io, json, sys, numpy\nlabels = numpy.load(sys.argv[1], allow_pickle=False)\nsaved = io.BytesIO()\nnumpy.save(saved, labels)\nprint(json.dumps([str(labels.dtype), labels.tolist(), saved.getvalue() == open(sys.argv[1], "rb").read()]))',
    [ours],
  );
  if (said === undefined) return;
  assert.deepEqual(JSON.parse(said), [
    'float32',
    [
      [1, 0],
      [0, 0],
      [0.25, -1.5],
    ],
    true,
  ]);
});
