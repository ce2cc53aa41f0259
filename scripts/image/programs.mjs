// What an image runs: the operator as one bundled file, the trainer as compiled files with the packages that it loads.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

/** CommonJS packages in the bundle call require. */
const BANNER = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";

/** The operator in one file: most of what its Kubernetes client brings is never reached. Returns the packages that are in it. */
export function bundleOperator(root, layer) {
  const meta = join(layer, 'meta.json');
  tool(root, 'esbuild', [
    'operator/main.ts',
    '--bundle',
    '--platform=node',
    '--format=esm',
    '--target=node24',
    '--legal-comments=inline',
    '--log-level=warning',
    `--banner:js=${BANNER}`,
    `--metafile=${meta}`,
    `--outfile=${join(layer, 'app/operator.mjs')}`,
  ]);
  const [output] = Object.values(JSON.parse(readFileSync(meta, 'utf8')).outputs);
  unlinkSync(meta);
  const inputs = Object.entries(output.inputs).filter(([, { bytesInOutput }]) => bytesInOutput > 0);
  return { packages: packagesOf(inputs.map(([file]) => file)) };
}

/** Threads and processes of their own, besides the program itself. */
const ENTRIES = [
  'trainer/main',
  'trainer/report/server-worker',
  'trainer/train/feed-worker',
  'trainer/checkpoint/saver-worker',
  'trainer/plan/measure-worker',
];

/** Loaded by a name that only the running program knows. */
const LATE = ['@tensorflow/tfjs-node-gpu'];
/** Read, not loaded: the page of an export for browsers. */
const READ = ['@tensorflow/tfjs/dist/tf.min.js'];

/** The trainer's files, compiled one by one, and the packages that they load: whole, but for TensorFlow.js, whose packages hold many builds each. */
export function compileTrainer(root, layer) {
  const app = join(layer, 'app');
  const config = join(root, 'tsconfig.image.json');
  const files = ENTRIES.map((entry) => `${entry}.ts`);
  writeFileSync(
    config,
    JSON.stringify({ extends: './tsconfig.json', compilerOptions: { noEmit: false, rootDir: '.', outDir: app }, include: [], files }),
  );
  tool(root, 'tsc', ['-p', config]);
  cpSync(join(root, 'package.json'), join(app, 'package.json'));

  symlinkSync(join(root, 'node_modules'), join(app, 'node_modules'));
  const imports = [join(app, 'trainer/commands.js'), ...LATE].map((name) => `await import(${JSON.stringify(name)});`).join('');
  // From a file beside the program: names of packages are looked up from there.
  const probe = join(app, 'probe.mjs');
  writeFileSync(
    probe,
    `import { getBuiltinModule } from 'node:process'; getBuiltinModule('node:util').isNullOrUndefined ??= (value) => value == null; ${imports}`,
  );
  const hook = join(import.meta.dirname, 'loaded.mjs');
  const said = execFileSync(join(root, 'node_modules/.bin/node'), ['--import', hook, probe], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
    stdio: ['ignore', 'pipe', 2],
    env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: '2' },
  });
  for (const file of [probe, join(app, 'node_modules')]) unlinkSync(file);

  const loaded = said
    .split('\n')
    .filter((file) => file.includes('/node_modules/'))
    .map((file) => relative(root, file));
  const packages = packagesOf([...loaded, ...nativeParts(root)]);
  const wanted = new Set([...loaded, ...READ.map((file) => `node_modules/${file}`)]);
  for (const folder of packages)
    copyPackage(root, app, folder, folder.includes('@tensorflow/') ? (file) => wanted.has(file) || isKept(file) : (file) => !isIdle(file));
  return { packages };
}

/** sharp's libraries are opened, not imported. */
function nativeParts(root) {
  return readdirSync(join(root, 'node_modules/@img'))
    .filter((name) => !name.includes('musl') && !name.includes('wasm'))
    .map((name) => `node_modules/@img/${name}/package.json`);
}

/** Of a package of which only single files are taken. */
const isKept = (file) => /\/(package\.json|LICENSE[^/]*)$|\.node$/.test(file);
/** Types, maps, sources and tests of packages that are taken whole. */
const isIdle = (file) =>
  /\.(map|[cm]?ts|md|markdown|flow|html|yml)$/.test(file) ||
  /node_modules\/(@[^/]+\/)?[^/]+\/(test|tests|__tests__|bench|benchmarks?|docs|examples?|man)\//.test(file);

function copyPackage(root, app, folder, takes) {
  for (const entry of readdirSync(join(root, folder), { recursive: true, withFileTypes: true })) {
    const file = relative(root, join(entry.parentPath, entry.name));
    // Packages inside of packages are packages of their own.
    if (!entry.isFile() || file.slice(folder.length).includes('/node_modules/') || !takes(file)) continue;
    mkdirSync(dirname(join(app, file)), { recursive: true });
    cpSync(join(root, file), join(app, file));
  }
}

/** Folders of the packages that files are of. */
function packagesOf(files) {
  const folders = files.flatMap((file) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1] ?? []);
  return [...new Set(folders)].filter((folder) => folder.startsWith('node_modules/')).sort((a, b) => (a < b ? -1 : 1));
}

function tool(root, name, args) {
  const program = join(root, 'node_modules/.bin', name);
  if (!existsSync(program)) throw new Error(`${name} is not installed: node scripts/setup.mjs comes first`);
  execFileSync(program, args, {
    cwd: root,
    stdio: ['ignore', 2, 2],
    env: { ...process.env, PATH: `${join(root, 'node_modules/.bin')}:${process.env.PATH}` },
  });
}
