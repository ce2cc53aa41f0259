// Builds the project's images with buildah: `npm run images [-- NAME...]`. An image is built again only when something that goes into it has
// changed, or with `--verify`, which builds from scratch what is there already and compares the digests. The base of the build stages is BUILD_BASE (by digest: ...@sha256:...), or a Debian that debootstrap makes here, once. The same
// commit and base make the same digest: times are those of the last commit that changed what goes in.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildBase } from './image/base.mjs';
import { buildah, mountsOf, NotInstalled, refuseWithout, releaseStore } from './image/buildah.mjs';
import { cache, locked, log } from './cache.mjs';

const root = join(import.meta.dirname, '..');
/** For tests, which say themselves that they lack an image; with CI=true that is a failure here as well. */
const WHERE_POSSIBLE = '--where-possible';
const VERIFY = '--verify';
const SETUP = ['setup', 'cache', 'reason', 'libtensorflow', 'images'].map((name) => `scripts/${name}.mjs`);
const SHARED = ['package.json', 'package-lock.json', '.npmrc', '.dockerignore', ...SETUP, 'scripts/image', 'crds'];
/** `inputs` are all files beside the Dockerfile that can change the image; `context` is what its Dockerfile copies from, the checkout by default. */
const IMAGES = {
  'pggan-operator': { dockerfile: 'Dockerfile.operator', inputs: [...SHARED, 'operator'] },
  'pggan-trainer': { dockerfile: 'Dockerfile.trainer', target: 'cpu', inputs: [...SHARED, 'tsconfig.json', 'trainer'] },
  'pggan-trainer-gpu': { dockerfile: 'Dockerfile.trainer', target: 'gpu', inputs: [...SHARED, 'tsconfig.json', 'trainer'] },
  'pggan-test-pause': { dockerfile: 'test/node/pause/Dockerfile', context: 'test/node/pause', inputs: ['test/node/pause'] },
};

/** Where the archive of an image is, or will be, as its inputs are now; and the tag that it has in there. */
export function imageArchive(name) {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return { archive: join(cache, 'images', `${name}-${keyOf(name)}.tar`), tag: `localhost/${name}:${version}` };
}

function main(names, verify) {
  refuseUnpinned(process.env.BUILD_BASE);
  refuseWithout('buildah');
  process.once('exit', releaseStore);
  for (const name of names.length > 0 ? names : ['pggan-operator', 'pggan-trainer']) {
    const { archive, tag } = imageArchive(name);
    mkdirSync(join(cache, 'images'), { recursive: true });
    locked(join(cache, 'images', 'lock'), () => existsSync(archive) || build(name, archive, tag));
    if (verify) locked(join(cache, 'images', 'lock'), () => refuseOther(name, archive, tag));
    const { size, digest } = JSON.parse(readFileSync(`${archive}.json`, 'utf8'));
    process.stdout.write(
      `${tag} ${digest} ${(size / 1e6).toFixed(1)} MB unpacked, ${(statSync(archive).size / 1e6).toFixed(1)} MB as ${archive}\n`,
    );
  }
}

/** A name without a digest is another base tomorrow. What is on this machine only is its owner's affair. */
function refuseUnpinned(base) {
  if (!base || base.startsWith('localhost/') || /@sha256:[0-9a-f]{64}$/.test(base)) return;
  throw new Error(`BUILD_BASE is ${base}, which may become another image: name it by digest, as in ${base.replace(/@.*/, '')}@sha256:...`);
}

/** Builds it once more. */
function refuseOther(name, archive, tag) {
  const again = `${archive}.again`;
  try {
    build(name, again, tag);
    const [first, second] = [archive, again].map((file) => JSON.parse(readFileSync(`${file}.json`, 'utf8')));
    if (first.digest === second.digest) return log(`${tag} was built twice: ${first.digest}`);
    const layers = first.layers.flatMap((layer, index) => (layer === second.layers[index] ? [] : [index + 1]));
    throw new Error(
      `${tag} is ${first.digest}, and ${second.digest} when built from scratch; layers that differ: ${layers.join(', ') || 'none'}`,
    );
  } finally {
    for (const file of [again, `${again}.json`]) rmSync(file, { force: true });
  }
}

function build(name, archive, tag) {
  const { dockerfile, target, context = '.' } = IMAGES[name];
  const base = buildBase();
  // Of a build that was interrupted.
  buildah(['rm', '--all']);
  log(`building ${tag} (minutes, once per change)`);
  const { revision, seconds } = lastChange(inputsOf(name));
  const version = tag.split(':').at(-1);
  const started = performance.now();
  buildah([
    'bud',
    '--layers',
    // A layer of an earlier build has the times of an earlier commit.
    '--no-cache',
    '--quiet',
    '--identity-label=false',
    `--timestamp=${seconds}`,
    `--file=${join(root, dockerfile)}`,
    ...(context === '.' ? [`--ignorefile=${join(root, '.dockerignore')}`] : []),
    ...(target === undefined ? [] : [`--target=${target}`]),
    ...Object.entries({ BUILD_BASE: base, VERSION: version, REVISION: revision }).map(([key, value]) => `--build-arg=${key}=${value}`),
    ...mountsOf(),
    `--tag=${tag}`,
    join(root, context),
  ]);
  const [inspected] = [JSON.parse(buildah(['inspect', '--type=image', tag]))];
  rmSync(`${archive}.tmp`, { force: true });
  buildah(['push', '--quiet', '--format=oci', tag, `oci-archive:${archive}.tmp:${tag}`]);
  const facts = { tag, digest: digestIn(`${archive}.tmp`), size: unpackedSize(tag), layers: inspected.OCIv1.rootfs.diff_ids };
  writeFileSync(`${archive}.json`, JSON.stringify(facts));
  renameSync(`${archive}.tmp`, archive);
  log(`built ${tag} in ${((performance.now() - started) / 1000).toFixed(0)} s`);
}

/** Of the manifest, in the archive: what `image@sha256:...` names. */
function digestIn(archive) {
  const index = JSON.parse(execFileSync('tar', ['-xOf', archive, 'index.json'], { encoding: 'utf8' }));
  return index.manifests[0].digest;
}

/** Bytes of all files in the image. */
function unpackedSize(tag) {
  const container = buildah(['from', '--quiet', tag]).trim();
  try {
    const folder = buildah(['mount', container]).trim();
    return Number(execFileSync('du', ['-sb', folder], { encoding: 'utf8' }).split('\t')[0]);
  } finally {
    buildah(['rm', container]);
  }
}

const git = (...args) => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();

/** Tests and their helpers are in no image: a commit that changes nothing else makes no other one. */
const TESTS = ['**/*.test.ts', '**/test-*'].map((pattern) => `:(exclude,glob)${pattern}`);

const inputsOf = (name) => [IMAGES[name].dockerfile, ...IMAGES[name].inputs, ...TESTS];

/** The commit that changed the inputs last, and its time; `-dirty` where they differ from it. */
function lastChange(inputs) {
  const last = ['log', '-1', '--format=%H %ct'];
  const [revision, seconds] = (git(...last, '--', ...inputs) || git(...last)).split(' ');
  const dirty = git('status', '--porcelain', '--', ...inputs) !== '';
  return { revision: dirty ? `${revision}-dirty` : revision, seconds };
}

/** Of everything that goes into an image: contents, not times. */
function keyOf(name) {
  const inputs = inputsOf(name);
  const list = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '--', ...inputs], { cwd: root, encoding: 'utf8' });
  const hash = createHash('sha256').update(`${process.env.BUILD_BASE ?? 'local'}\n${lastChange(inputs).revision}\n`);
  for (const file of list
    .split('\n')
    .filter((path) => path !== '' && existsSync(join(root, path)))
    .sort()) {
    hash.update(`${file}\n`).update(readFileSync(join(root, file)));
  }
  return hash.digest('hex').slice(0, 16);
}

if (process.argv[1] === import.meta.filename) {
  const names = process.argv.slice(2).filter((name) => ![WHERE_POSSIBLE, VERIFY].includes(name));
  try {
    main(names, process.argv.includes(VERIFY));
  } catch (error) {
    log(error.message);
    if (!(error instanceof NotInstalled && process.argv.includes(WHERE_POSSIBLE) && process.env.CI !== 'true')) process.exit(1);
  }
}
