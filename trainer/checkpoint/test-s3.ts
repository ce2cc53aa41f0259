/** Stores on the servers that tests start, and time that passes at will. */
import type { ObjectStore } from '../../test/harness/object-store.ts';
import type { RetryTime } from './s3/retry.ts';
import { s3Store, type S3StoreOptions } from './s3-store.ts';
import type { Store } from './store.ts';

/** Time that passes only by sleeping, so that patience ends at once; random numbers are as large as they get. */
export function quickTime(): RetryTime & { readonly delays: readonly number[] } {
  let now = 0;
  const delays: number[] = [];
  return {
    delays,
    now: () => now,
    async sleep(seconds) {
      now += seconds;
      delays.push(seconds);
    },
    random: () => 1,
  };
}

/** A store on this server, with changes to how it is reached. */
export function storeOn(server: ObjectStore, change: S3StoreOptions = {}, uri = `s3://${server.bucket}/runs`): Store {
  return s3Store(uri, { s3: server.options, env: server.env, time: quickTime(), ...change });
}
