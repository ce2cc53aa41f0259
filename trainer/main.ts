/** The trainer's process: hears a request to stop before anything that takes time is loaded, then runs the command. */
import { POD_COMMANDS } from '../crds/pod.ts';
import { listenForStop } from './train/stop.ts';

// Other commands have nothing to save or to take back: they end at once, as a terminal expects.
const [command = '', subcommand = ''] = process.argv.slice(2);
const tidiesUp = [...POD_COMMANDS, 'video'].includes(command) || subcommand.startsWith('create-');
const stop = tidiesUp ? listenForStop() : undefined;
// That nobody reads what is said (`| head`, a driver that was killed) is no reason to end before the work is done and saved.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

// TensorFlow takes a second to load, in which a pod may be told to end: what is imported above is heard by then.
const { runCommand } = await import('./commands.ts');
await runCommand(stop);
