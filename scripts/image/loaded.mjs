// Says which files a program loads: imported into the trainer's process with `--import`, it prints them at its end, one a line.
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';

const loaded = new Set();
registerHooks({
  load(url, context, next) {
    if (url.startsWith('file:')) loaded.add(fileURLToPath(url));
    return next(url, context);
  },
});
process.once('exit', () => process.stdout.write(`${[...loaded].join('\n')}\n`));
