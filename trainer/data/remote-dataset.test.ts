import assert from 'node:assert/strict';
import { copyFile, mkdir, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Command } from 'commander';
import { startFaultProxy } from '../../test/harness/fault-proxy.ts';
import { startObjectStore } from '../../test/harness/object-store.ts';
import { openStore } from '../checkpoint/open-store.ts';
import { datasetCommands } from './commands.ts';
import { openDataset } from './dataset.ts';
import { temporaryFolder } from './test-folders.ts';
import { writeDataset } from './write-dataset.ts';

const IMAGES = 300;
const LABELS = { rows: IMAGES, size: 2, values: Float32Array.from({ length: 2 * IMAGES }, (_, i) => i % 2) };

/** A dataset of 32x32 in grey with labels. */
async function made(t: TestContext): Promise<string> {
  const folder = join(await temporaryFolder(t), 'set');
  const plan = { folder, channels: 1 as const, resolution: 32, images: IMAGES, labels: LABELS, source: { kind: 'unknown' as const } };
  await writeDataset(plan, async (image) => Uint8Array.from({ length: 1024 }, (_, i) => (image * 31 + i * 7) % 256));
  return folder;
}

/** Runs a command of the group `dataset`; what it says. */
async function command(...args: readonly string[]): Promise<{ readonly out: string; readonly notes: string }> {
  const said = { out: '', notes: '' };
  const program = new Command().exitOverride();
  datasetCommands(program, {
    stdout: { write: (text) => void (said.out += text) },
    stderr: { write: (text: string) => void (said.notes += text), isTTY: false },
  });
  await program.parseAsync(['dataset', ...args], { from: 'user' });
  return said;
}

test('a dataset in an object store', async (t) => {
  const server = await startObjectStore(t, 'versitygw');
  if (!server) return;
  const proxy = await startFaultProxy(t, server.port);
  const scratch = await temporaryFolder(t);
  Object.assign(process.env, server.env, { AWS_ENDPOINT_URL: proxy.endpoint, PGGAN_SCRATCH: scratch });
  const folder = await made(t);
  const local = await openDataset(folder);
  t.after(() => local.close());
  const uri = `s3://${server.bucket}/datasets/set`;
  const store = openStore(uri);
  const since = (from: number): readonly string[] =>
    proxy.seen.slice(from).map(({ method, url }) => `${method} ${url.split('/').at(-1)?.split('?')[0]}`);

  await t.test('is uploaded with its description last, and what has arrived is not sent again', async () => {
    const { out } = await command('upload', folder, uri);
    assert.match(out, new RegExp(`300 images in ${uri}, digest ${local.digest}`));
    assert.equal(
      since(0).findLast((request) => request.startsWith('PUT')),
      'PUT dataset.json',
    );
    const from = proxy.seen.length;
    await store.remove('set-r05.tfrecords');
    await command('upload', folder, uri);
    assert.deepEqual(
      since(from).filter((request) => request.startsWith('PUT')),
      ['PUT set-r05.tfrecords', 'PUT dataset.json'],
    );
    await assert.rejects(command('upload', folder, `s3://${server.bucket}/datasets`), { code: 'DatasetExists' });
  });

  await t.test('is the same dataset, of which only the files that are asked for are fetched', async () => {
    const from = proxy.seen.length;
    const notes: string[] = [];
    const dataset = await openDataset(uri, { resolutions: [16], note: (line) => notes.push(line) });
    for (const field of ['name', 'images', 'channels', 'resolution', 'labelSize', 'digest', 'source', 'labels', 'bytes'] as const)
      assert.deepEqual(dataset[field], local[field], field);
    assert.deepEqual(
      since(from).filter((request) => request.includes('.tfrecords')),
      ['GET set-r02.tfrecords', 'GET set-r04.tfrecords'],
    );
    assert.match(notes.join('\n'), /fetching set-r04\.tfrecords \(0\.1 MB\) from s3:\/\/pggan\/datasets\/set/);
    assert.deepEqual(dataset.read(16, [299, 0, 7]), local.read(16, [299, 0, 7]));
    assert.throws(() => dataset.read(32, [0]), /has no images of 32x32/);
    dataset.close();
    assert.deepEqual(await readdir(scratch), [], 'what was fetched is removed');
  });

  await t.test('gives single images of a file that is not fetched', async () => {
    const dataset = await openDataset(uri, { resolutions: [] });
    const from = proxy.seen.length;
    await dataset.prepare(32, [250, 3]);
    assert.deepEqual(dataset.read(32, [250, 3]), local.read(32, [250, 3]));
    assert.throws(() => dataset.read(32, [4]), { code: 'DatasetInvalid' }, 'one that was not asked for is not made up');
    assert.equal(since(from).length, 4, 'the length of a record, the first one, and two');
    await dataset.prepare(32);
    assert.deepEqual(dataset.read(32, [4]), local.read(32, [4]));
    dataset.close();
  });

  await t.test('is verified over the network', async () => {
    assert.match((await command('verify', uri)).out, new RegExp(`300 images of 32x32, grey, labels of 2.*digest ${local.digest}`));
  });

  await t.test('cannot be fetched to a place that is none, which is told by its name', async () => {
    await writeFile(join(scratch, 'file'), '');
    process.env['PGGAN_SCRATCH'] = join(scratch, 'file');
    await assert.rejects(openDataset(uri), {
      code: 'StoreUnavailable',
      message: /cannot write .*\/file\/.*: a part of the path is a file/,
    });
    process.env['PGGAN_SCRATCH'] = scratch;
    await rm(join(scratch, 'file'));
  });

  await t.test('without a description is read whole for its digest, and says so', async () => {
    const bare = openStore(`${uri}-bare`);
    for (const name of await readdir(folder)) if (name !== 'dataset.json') await bare.upload(name, join(folder, name));
    const notes: string[] = [];
    const dataset = await openDataset(bare.uri, { resolutions: [8], note: (line) => notes.push(line) });
    assert.equal(dataset.digest, local.digest);
    assert.match(notes.join('\n'), /has no dataset\.json with the digests of its files/);
    dataset.close();
  });

  await t.test('whose files are not what its description promises is refused', async () => {
    const description = (await store.read('dataset.json')) ?? Buffer.alloc(0);
    const other = join(await temporaryFolder(t), 'other');
    await mkdir(other);
    await copyFile(join(folder, 'set-r04.tfrecords'), join(other, 'file'));
    const bytes = await readFile(join(other, 'file'));
    bytes[500] = (bytes[500] ?? 0) ^ 1;
    await store.write('set-r04.tfrecords', [bytes]);
    await assert.rejects(openDataset(uri, { resolutions: [16] }), {
      code: 'DatasetInvalid',
      message: /set-r04\.tfrecords in s3:\/\/pggan\/datasets\/set is not the file that dataset\.json describes/,
    });
    await store.write('set-r04.tfrecords', [bytes.subarray(1)]);
    await assert.rejects(openDataset(uri, { resolutions: [] }), {
      code: 'DatasetInvalid',
      message: /promises set-r04\.tfrecords with \d+ bytes, but there is \d+ bytes/,
    });
    await store.write('dataset.json', [Buffer.from('{')]);
    await assert.rejects(openDataset(uri), { code: 'DatasetInvalid', message: /dataset\.json in s3:.* is not a description/ });
    await store.write('dataset.json', [description]);
    await store.remove('set-r03.tfrecords');
    await assert.rejects(openDataset(uri), { code: 'DatasetInvalid', message: /lacks set-r03\.tfrecords/ });
  });

  await t.test('that is not there is a matter of the store', async () => {
    await assert.rejects(openDataset(`s3://${server.bucket}/datasets/none`), {
      code: 'StoreUnavailable',
      message: /there is no object below this address/,
    });
    await assert.rejects(openDataset('s3://no-such-bucket/set'), {
      code: 'StoreRefused',
      message: /there is no bucket 'no-such-bucket'/,
    });
  });

  await t.test('leaves nothing on the disk for ever: what a killed process fetched is removed by the next', async () => {
    const abandoned = join(scratch, 'pggan-working-0123456789abcdef-1-1-aaaaaaaaaaaa');
    await mkdir(abandoned);
    await writeFile(join(abandoned, 'set-r05.tfrecords'), '');
    await utimes(abandoned, new Date(0), new Date(0));
    const bare = await openDataset(`${uri}-bare`, { resolutions: [] });
    assert.equal((await readdir(scratch)).length, 1);
    bare.close();
    await rm(scratch, { recursive: true });
  });
});
