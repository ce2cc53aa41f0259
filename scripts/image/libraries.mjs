// The shared libraries of an image: what its programs and addons are linked to, from the distribution of the build stage.
import { execFileSync } from 'node:child_process';
import { closeSync, cpSync, existsSync, mkdirSync, openSync, readdirSync, readSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Copies into `target` what the files of `layers` are linked to and do not bring themselves; returns the Debian packages that they are from. */
export function copyLibraries(layers, target) {
  const programs = layers.flatMap((layer) => filesIn(layer).filter(isElf));
  // What the image brings is found beside what needs it, or where it will be, since the build stage has it at the same path.
  const isBrought = (path) => layers.some((layer) => path.startsWith(`${layer}/`) || existsSync(join(layer, path)));
  const needed = new Set(programs.flatMap(linkedTo).filter((path) => !isBrought(path)));
  for (const path of needed) {
    mkdirSync(dirname(join(target, path)), { recursive: true });
    cpSync(realpathSync(path), join(target, path));
  }
  return [...new Set([...needed].map(packageOf))].sort((a, b) => (a < b ? -1 : 1));
}

function filesIn(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

function isElf(path) {
  const start = Buffer.alloc(4);
  const file = openSync(path);
  readSync(file, start);
  closeSync(file);
  return start.equals(Buffer.from('\x7fELF'));
}

/** Of NVIDIA's driver: they come with the node. */
const OF_THE_DRIVER = ['libcuda.so.1', 'libnvidia-ml.so.1'];

/** All libraries that the loader would load for it, by their paths. */
function linkedTo(program) {
  const said = execFileSync('ldd', [program], { encoding: 'utf8' });
  const absent = [...said.matchAll(/^\s*(\S+) => not found/gm)].map(([, name]) => name);
  const missing = absent.find((name) => !OF_THE_DRIVER.includes(name));
  if (missing !== undefined) throw new Error(`${program} needs ${missing}, which is not there`);
  return [...said.matchAll(/(?:=> |^\s+)(\/\S+) \(0x/gm)].map(([, path]) => path);
}

/** `name version` of the package that owns a file. */
function packageOf(path) {
  // Of packages older than the merger of /lib and /usr/lib, only one of both paths is known.
  const candidates = [path, realpathSync(path), path.replace(/^\/usr/, ''), realpathSync(path).replace(/^\/usr/, ''), `/usr${path}`];
  for (const candidate of candidates) {
    try {
      const [owner] = execFileSync('dpkg', ['-S', candidate], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).split(':');
      return execFileSync('dpkg-query', ['-W', '-f', '${Package} ${Version}', owner], { encoding: 'utf8' });
    } catch {}
  }
  throw new Error(`no package owns ${path}`);
}
