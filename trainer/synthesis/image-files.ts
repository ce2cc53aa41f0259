/** The port between drawing images and keeping them, in one format or another. */
import type { SynthesisRun } from '../../crds/run.ts';
import type { Store } from '../checkpoint/store.ts';
import type { Entries, Journal } from './journal.ts';
import type { OpenGenerator } from './open-generator.ts';
import type { Shard } from './shard.ts';

/** What every format needs to know of the job. */
export type Keeping = {
  readonly store: Store;
  readonly run: SynthesisRun;
  readonly generator: OpenGenerator;
  readonly shard: Shard;
  readonly journal: Journal;
  /** Side of the images in pixels. */
  readonly side: number;
};

/** Told while images are looked through or put together: that takes minutes, in which the process is alive and may be asked to stop. */
export type Watch = {
  readonly step: () => void;
  readonly stop: { readonly requested: boolean };
  /** What was found and is not taken, and why. */
  readonly warn: (reason: string) => void;
};

/** `pixels` are channels first. */
type Drawn = { readonly index: number; readonly pixels: Uint8Array };

export interface ImageFiles {
  /** The images of a block that are there, whole and this job's. Ends early where a stop is requested. @throws {PgganError} of the store */
  takeUp(block: number, watch: Watch): Promise<Entries>;
  /** Keeps images that were drawn, in rising order of indexes within and between calls. */
  add(images: readonly Drawn[]): Promise<void>;
  /** Notes what was added, before the process stops. */
  flush(): Promise<void>;
  /** After the shard's last image; false where a stop was requested before that was done. */
  finish(watch: Watch): Promise<boolean>;
}
