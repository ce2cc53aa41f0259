/** What running pods were last heard to say, by uid of the pod. */
import type { Progress } from '../../crds/progress.ts';
import type { Clock } from '../kube/clock.ts';

/** `fresh`: read within the last poll intervals. `unmovedSince`: since when, by our clock, its figure of work done has stood still. */
type Heard = {
  readonly document?: { readonly progress: Progress; readonly fresh: boolean; readonly unmovedSince: string };
  /** Undefined before the first answer or the third silence. */
  readonly reachable?: boolean;
};

export interface Ear {
  heard(podUid: string): Heard;
}

export interface Hearing extends Ear {
  answered(podUid: string, progress: Progress): void;
  silent(podUid: string): void;
  /** Forgets all pods but these, which are asked. */
  keep(podUids: ReadonlySet<string>): void;
}

type Entry = { progress?: Progress; at: number; moved: Date; silences: number };

/** A pod that has just started, or is just being asked again, is not called unreachable yet. */
const SILENCES = 3;

/** `freshSeconds`: for how long a document says something about the present, where so many pods are asked in turn. */
export function createHearing(clock: Clock, freshSeconds: (pods: number) => number): Hearing {
  const entries = new Map<string, Entry>();
  let asked = 0;
  const entryOf = (uid: string): Entry => {
    const entry = entries.get(uid) ?? { at: -Infinity, moved: clock.now(), silences: 0 };
    entries.set(uid, entry);
    return entry;
  };
  return {
    heard(uid) {
      const entry = entries.get(uid);
      if (!entry) return {};
      const { progress, at, moved, silences } = entry;
      const fresh = clock.seconds() - at <= freshSeconds(asked);
      const reachable = silences === 0 ? true : silences >= SILENCES ? false : undefined;
      return {
        ...(progress && { document: { progress, fresh, unmovedSince: moved.toISOString() } }),
        ...(reachable !== undefined && { reachable }),
      };
    },
    answered(uid, progress) {
      const entry = entryOf(uid);
      if (entry.progress === undefined || work(entry.progress) !== work(progress)) entry.moved = clock.now();
      Object.assign(entry, { progress, at: clock.seconds(), silences: 0 });
    },
    silent: (uid) => void (entryOf(uid).silences += 1),
    keep(uids) {
      asked = uids.size;
      for (const uid of entries.keys()) if (!uids.has(uid)) entries.delete(uid);
    },
  };
}

function work(progress: Progress): number {
  switch (progress.kind) {
    case 'training':
    case 'preflight':
      return progress.images;
    case 'synthesis':
      return progress.done;
  }
}
