/** Deletes a run folder: only for its owner, with nobody else writing, and so that what is half deleted is no run any more. */
import { EXIT, PgganError } from '../../crds/errors.ts';
import { MANIFEST } from './format.ts';
import { acquireRun, OWNER, readOwner, type RunOwner, systemClock } from './owner.ts';
import { JOB, RUN } from './run-folder.ts';
import type { StopRequest } from '../train/stop.ts';
import type { Store } from './store.ts';

/** Objects that are removed between two looks at whether this process may still do so. */
const CHECK_EVERY = 20;

/** Below a run folder these names belong to nothing of its own. */
const FOREIGN = new RegExp(`/(${[OWNER, RUN, JOB, 'dataset.json'].join('|').replaceAll('.', '[.]')})$`);

/**
 * Removes every object of the folder that `owner` owns; owner.json goes last, so that a deletion which was interrupted is known for one and
 * ends when it is asked for again. A folder in which there is nothing counts as deleted. Older versions of objects, where a bucket keeps them,
 * stay. Returns the exit code.
 * @throws {PgganError} RunNotOurs where another training owns the folder or a part of it, or nothing says whose it is; RunOwned while another process writes;
 * Interrupted where a stop was requested; StoreUnavailable, StoreRefused
 */
export async function deleteRun(
  store: Store,
  owner: RunOwner,
  stop: Pick<StopRequest, 'requested'>,
  print: (line: string) => void,
): Promise<number> {
  const keys = (await store.list('')).map(({ key }) => key);
  if (keys.length === 0) {
    print(`${store.uri} holds nothing`);
    return EXIT.complete;
  }
  await refuseForeign(store, owner);
  refuseWithin(store, keys);
  const writer = await acquireRun(store, owner, systemClock, { trains: false });
  try {
    const all = inOrder((await store.list('')).map(({ key }) => key));
    for (const [done, key] of all.entries()) {
      if (done % CHECK_EVERY === 0) await writer.renew();
      if (stop.requested) throw new PgganError('Interrupted', `stopped on request with ${all.length - done} objects left in ${store.uri}`);
      await store.remove(key);
    }
    await writer.check();
    await store.remove(OWNER);
    print(`deleted ${store.uri}: ${all.length + 1} objects`);
    return EXIT.complete;
  } catch (error) {
    // So that the next process need not wait; where that fails too, what went wrong first is what is told.
    await writer.release().catch(() => undefined);
    throw error;
  }
}

async function refuseForeign(store: Store, owner: RunOwner): Promise<void> {
  const found = await readOwner(store);
  if (!found) throw new PgganError('RunNotOurs', `${store.uri} has no ${OWNER}: nothing says whose it is, and it is left alone`);
  const { record } = found;
  if ((['cluster', 'namespace', 'name', 'uid'] as const).every((field) => record[field] === owner[field])) return;
  throw new PgganError(
    'RunNotOurs',
    `${store.uri} belongs to training ${record.namespace}/${record.name} (uid ${record.uid}) of cluster ${record.cluster}, and is left alone`,
  );
}

/** What is not this run's though it lies in its folder: another run, a SynthesisJob's images, a dataset. */
function refuseWithin(store: Store, keys: readonly string[]): void {
  const foreign = keys.find((key) => FOREIGN.test(key));
  if (foreign === undefined) return;
  const folder = foreign.slice(0, foreign.lastIndexOf('/'));
  throw new PgganError('RunNotOurs', `${store.uri} holds ${folder} of somebody else (${foreign}), and is left alone: move that first`);
}

/** run.json, then every checkpoint.json: from there on nothing takes the rest for a run that could go on. */
function inOrder(keys: readonly string[]): readonly string[] {
  return keys.filter((key) => key !== OWNER).sort((a, b) => rank(a) - rank(b));
}

function rank(key: string): number {
  if (key === RUN) return 0;
  return key.endsWith(`/${MANIFEST}`) ? 1 : 2;
}
