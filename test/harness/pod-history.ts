/** What became of the pods of a namespace, moment by moment, as the API server tells whoever watches. */
import type { TestContext } from 'node:test';
import type { Kube } from '../../operator/kube/client.ts';
import { type Pod, PODS } from '../../operator/kube/resource.ts';

/** After one change: `unfinished` are the pods that exist and have not ended, whether they have begun or not. */
type Moment = { readonly pod: Pod; readonly gone: boolean; readonly unfinished: readonly Pod[] };

export type PodHistory = {
  readonly moments: readonly Moment[];
  /** Most pods of one training, by its label, that had not ended at any one moment. */
  mostAtOnce(training: string): number;
  /** Exit codes in the order in which they were told, by pods whose name begins with `prefix`, each once. */
  exitCodes(prefix: string): readonly number[];
};

/** Watches until the test ends. Where the watch has failed there is no history: who asks for it is told so. */
export async function watchPods(t: TestContext, kube: Kube, namespace: string): Promise<PodHistory> {
  const moments: Moment[] = [];
  const there = new Map<string, Pod>();
  const watched = await watchEach(t, kube, namespace, (pod, gone) => {
    const uid = pod.metadata?.uid ?? '';
    if (gone) there.delete(uid);
    else there.set(uid, pod);
    moments.push({ pod, gone, unfinished: [...there.values()].filter((other) => !hasEnded(other)) });
  });
  const whole = (): readonly Moment[] => {
    watched.assertWhole();
    return moments;
  };
  return {
    get moments() {
      return whole();
    },
    mostAtOnce: (training) => Math.max(0, ...whole().map(({ unfinished }) => unfinished.filter((pod) => labelOf(pod) === training).length)),
    exitCodes(prefix) {
      const codes = whole().flatMap(({ pod: { metadata, status } }) => {
        const code = status?.containerStatuses?.[0]?.state?.terminated?.exitCode;
        return code !== undefined && metadata?.name?.startsWith(prefix) ? [[metadata.uid, code] as const] : [];
      });
      return [...new Map(codes).values()];
    },
  };
}

export type Meetings = {
  /** Names of pods that were made while another one of their training had not ended: each writes to the same run folder. */
  met(): readonly string[];
  /** How many pods were said to have ended at one time, and then at another one. */
  retold(): number;
};

/**
 * Watches a fleet until the test ends, in the order of the server's store. Times in statuses would not tell: they are whole seconds, and who ends
 * pods may say so twice.
 */
export async function watchMeetings(t: TestContext, kube: Kube, namespace: string): Promise<Meetings> {
  const met: string[] = [];
  const known = new Set<string>();
  const unfinished = new Map<string, Map<string, string>>();
  const ends = new Map<string, string>();
  const retold = new Set<string>();
  const watched = await watchEach(t, kube, namespace, (pod, gone) => {
    const { uid = '', name = '' } = pod.metadata ?? {};
    const own = getOrMake(unfinished, labelOf(pod) ?? '', () => new Map<string, string>());
    if (!known.has(uid) && own.size > 0) met.push(`${name} while ${[...own.values()].join(', ')}`);
    known.add(uid);
    if (gone || hasEnded(pod)) own.delete(uid);
    else own.set(uid, name);
    const end = pod.status?.containerStatuses?.[0]?.state?.terminated?.finishedAt;
    if (end !== undefined && getOrMake(ends, uid, () => end) !== end) retold.add(uid);
  });
  return {
    met() {
      watched.assertWhole();
      return met;
    },
    retold: () => retold.size,
  };
}

function getOrMake<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const value = map.get(key) ?? make();
  map.set(key, value);
  return value;
}

const HOUR = 3600;

/** Tells of each change of a pod, from now until the test ends. */
async function watchEach(
  t: TestContext,
  kube: Kube,
  namespace: string,
  onChange: (pod: Pod, gone: boolean) => void,
): Promise<{ assertWhole(): void }> {
  const listed = await kube.list(PODS, { namespace });
  const stop = new AbortController();
  let { resourceVersion } = listed;
  const watch = async (): Promise<void> => {
    // Servers end watches when they like to. Whoever goes on from the last change has missed none, or is refused (410).
    while (!stop.signal.aborted) {
      const query = { namespace, resourceVersion, timeoutSeconds: HOUR, idleSeconds: HOUR };
      for await (const { type, object } of kube.watch(PODS, query, { signal: stop.signal })) {
        resourceVersion = object.metadata?.resourceVersion ?? resourceVersion;
        if (type !== 'BOOKMARK') onChange(object, type === 'DELETED');
      }
    }
  };
  let failure: unknown;
  void watch().then(
    () => (failure = new Error('the watch has ended')),
    (error: unknown) => (failure = error),
  );
  t.after(() => stop.abort());
  return {
    assertWhole() {
      if (failure !== undefined) throw new Error('the history of the pods has a gap', { cause: failure });
    },
  };
}

/** Not the operator's own words for it. */
const hasEnded = ({ status }: Pod): boolean => status?.phase === 'Succeeded' || status?.phase === 'Failed';
const labelOf = ({ metadata }: Pod): string | undefined => metadata?.labels?.['pggan.dev/training'];
