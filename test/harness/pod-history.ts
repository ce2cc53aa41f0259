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

const HOUR = 3600;

/** Watches until the test ends. Where the watch has failed there is no history: who asks for it is told so. */
export async function watchPods(t: TestContext, kube: Kube, namespace: string): Promise<PodHistory> {
  const { resourceVersion } = await kube.list(PODS, { namespace });
  const stop = new AbortController();
  const moments: Moment[] = [];
  const there = new Map<string, Pod>();
  const watch = async (): Promise<void> => {
    const query = { namespace, resourceVersion, timeoutSeconds: HOUR, idleSeconds: HOUR };
    for await (const { type, object } of kube.watch(PODS, query, { signal: stop.signal })) {
      if (type === 'BOOKMARK') continue;
      const uid = object.metadata?.uid ?? '';
      if (type === 'DELETED') there.delete(uid);
      else there.set(uid, object);
      moments.push({ pod: object, gone: type === 'DELETED', unfinished: [...there.values()].filter((pod) => !hasEnded(pod)) });
    }
  };
  let failure: unknown;
  void watch().then(
    () => (failure = new Error('the watch has ended')),
    (error: unknown) => (failure = error),
  );
  t.after(() => stop.abort());
  const whole = (): readonly Moment[] => {
    if (failure !== undefined) throw new Error('the history of the pods has a gap', { cause: failure });
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

/** Not the operator's own words for it. */
const hasEnded = ({ status }: Pod): boolean => status?.phase === 'Succeeded' || status?.phase === 'Failed';
const labelOf = ({ metadata }: Pod): string | undefined => metadata?.labels?.['pggan.dev/training'];
