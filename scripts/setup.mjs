// Prepares a checkout so that `npm start` and `npm test` need nothing else: packages, libtensorflow, the native addon and,
// with --judges, the Python packages that tests use as independent judges; --packages-only stops after the packages of npm. Plain
// JavaScript for Node 20, without dependencies: it runs before anything is installed. A second run finds its stamps and does nothing.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cache, locked, log } from './cache.mjs';
import { fetchLibtensorflow, libtensorflow } from './libtensorflow.mjs';
import { reasonOf } from './reason.mjs';

const JUDGES = ['tensorflow-cpu==2.19.1', 'safetensors==0.6.2', 'onnxruntime==1.22.1'];

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const tensorflow = libtensorflow.folder;
const judges = join(cache, `judges-${sha256(JUDGES.join('\n')).slice(0, 12)}`);

function sha256(bytes) {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Runs a command with its output on stderr (stdout belongs to the program that set-up prepares); throws with the command's name. */
function run(command, args, options = {}) {
  execFileSync(command, args, { cwd: root, stdio: ['ignore', 2, 2], ...options });
}

/** `npm ci`, unless node_modules was made from this very lock file. No install script of any package is wanted. */
function packages() {
  const stamp = join(root, 'node_modules', '.pggan-packages');
  const want = sha256(readFileSync(join(root, 'package-lock.json')));
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === want) return;
  log('installing the packages of package-lock.json');
  run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { env: { ...process.env, npm_config_loglevel: 'error' } });
  writeFileSync(stamp, want);
}

/** Installs the native addon, compiled against that libtensorflow, unless it is there; cached by everything that goes into the result. */
function addon() {
  const pkg = join(root, 'node_modules', '@tensorflow', 'tfjs-node-gpu');
  const target = join(pkg, 'lib', 'napi-v8', 'tfjs_binding.node');
  const quiet = join(root, 'trainer', 'backend', 'quiet-logging.cc');
  const sources = ['binding/tfjs_backend.cc', 'binding/tfjs_binding.cc', quiet];
  const lib = join(tensorflow, 'tensorflow');
  const flags = ['-O2', '-fPIC', '-shared', '-std=c++17', '-DNAPI_VERSION=8', '-DBUILDING_NODE_EXTENSION'];
  const headers = JSON.parse(readFileSync(join(root, 'node_modules', 'node-api-headers', 'package.json'), 'utf8')).version;
  const key = sha256([lib, headers, ...flags, ...sources.map((file) => readFileSync(resolve(pkg, file), 'utf8'))].join('\n')).slice(0, 16);
  const stamp = join(pkg, 'lib', 'napi-v8', '.pggan-addon');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === key) return;
  const cached = join(cache, `addon-${key}.node`);
  // A cache that has all of it is only read: it may be one that nobody here may write to.
  if (!existsSync(cached) || !existsSync(join(tensorflow, 'complete'))) {
    locked(join(cache, 'lock'), () => {
      fetchLibtensorflow();
      if (!existsSync(cached)) compile(cached, pkg, sources, flags);
    });
  }
  mkdirSync(dirname(target), { recursive: true });
  // Renamed into place: a process that runs on the old addon keeps its file.
  copyFileSync(cached, `${target}.tmp`);
  renameSync(`${target}.tmp`, target);
  writeFileSync(stamp, key);
}

/** Compiles tfjs-node's two C++ files, and ours, into `cached`. */
function compile(cached, pkg, sources, flags) {
  log('compiling the TensorFlow addon (about 15 s)');
  const lib = join(tensorflow, 'tensorflow');
  const made = `${cached}.${process.pid}.tmp`;
  run(
    'g++',
    [
      ...flags,
      `-I${join(root, 'node_modules', 'node-api-headers', 'include')}`,
      `-I${join(lib, 'include')}`,
      '-I..',
      ...sources,
      `-L${lib}`,
      '-l:libtensorflow_cc.so.2',
      '-l:libtensorflow_framework.so.2',
      `-Wl,-rpath,${lib}`,
      '-o',
      made,
    ],
    { cwd: pkg },
  );
  renameSync(made, cached);
}

/** The addon where it can be had; elsewhere the reason why not is kept for the trainer, which then falls back to wasm and says so. */
function nativeBackend() {
  const why = join(root, 'node_modules', '.pggan-no-addon');
  rmSync(why, { force: true });
  try {
    if (process.env.PGGAN_BACKEND === 'wasm') throw new Error('PGGAN_BACKEND=wasm asks for the WebAssembly backend');
    if (process.platform !== 'linux' || process.arch !== 'x64')
      throw new Error(`no libtensorflow for ${process.platform}-${process.arch}; use the container image`);
    addon();
  } catch (error) {
    const reason = reasonOf(error);
    writeFileSync(why, reason);
    if (process.env.CI === 'true') throw new Error(`the native backend could not be built: ${reason}`, { cause: error });
    log(`the native backend could not be built (${reason}); training will use WebAssembly, which is many times slower`);
  }
}

/** Python packages that tests ask for a second opinion. */
function judgePackages() {
  if (existsSync(join(judges, 'complete'))) return;
  log("installing the tests' independent judges (TensorFlow for Python, 1.4 GB)");
  try {
    locked(join(cache, 'lock-judges'), () => {
      if (existsSync(join(judges, 'complete'))) return;
      rmSync(judges, { recursive: true, force: true });
      run('python3', [
        '-m',
        'pip',
        'install',
        '-q',
        '--disable-pip-version-check',
        '--no-warn-script-location',
        '--root-user-action=ignore',
        '--only-binary=:all:',
        '--target',
        judges,
        ...JUDGES,
      ]);
      writeFileSync(join(judges, 'complete'), '');
    });
  } catch (error) {
    if (process.env.CI === 'true') throw error;
    log(`no Python TensorFlow (${reasonOf(error)}): the tests that ask it will say so and be skipped`);
  }
}

try {
  if (Number(process.versions.node.split('.')[0]) < 20) throw new Error(`Node ${process.versions.node} is too old: 20 or newer is needed`);
  locked(join(root, '.pggan-setup.lock'), () => {
    packages();
    if (!process.argv.includes('--packages-only')) nativeBackend();
  });
  if (process.argv.includes('--judges')) judgePackages();
} catch (error) {
  log(`failed: ${reasonOf(error)}`);
  process.exit(1);
}
