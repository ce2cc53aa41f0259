// Where set-up keeps what it has fetched and built, outside the checkout, and how processes that set up at the same time take turns.
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

export const cache = process.env.PGGAN_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'pggan-operator');
export const log = (text) => process.stderr.write(`setup: ${text}\n`);

/** Calls `work` once for any number of processes that set up the same cache or checkout at the same time. */
export function locked(file, work) {
  mkdirSync(dirname(file), { recursive: true });
  for (let said = false; ; ) {
    try {
      const fd = openSync(file, 'wx');
      writeFileSync(fd, String(process.pid));
      closeSync(fd);
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      const holder = Number(readFileSync(file, 'utf8')) || 0;
      const fresh = holder === 0 && Date.now() - statSync(file).mtimeMs < 5000;
      if (!fresh && !existsSync(`/proc/${holder}/stat`)) {
        rmSync(file, { force: true });
        continue;
      }
      if (!said) log(`waiting for process ${holder}, which is setting up`);
      said = true;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    }
  }
  try {
    return work();
  } finally {
    rmSync(file, { force: true });
  }
}
