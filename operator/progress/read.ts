/** Reads /progress of a trainer process, bounded in time and size: what answers is not trusted. */
import { type Dispatcher, request } from 'undici';
import { MAX_PROGRESS_BYTES, type Progress, parseProgress } from '../../crds/progress.ts';
import type { Kube } from '../kube/client.ts';
import type { Pod } from '../kube/resource.ts';

const TIMEOUT_MS = 2000;

type Answer = Pick<Dispatcher.ResponseData, 'statusCode' | 'body'>;

/** One document; undefined where nobody answers, or not with one. Redirects are not followed. */
export function readProgress(host: string, port: number, timeoutMs = TIMEOUT_MS): Promise<Progress | undefined> {
  const address = host.includes(':') ? `[${host}]` : host;
  return documentOf((signal) => request(`http://${address}:${port}/progress`, { signal }), timeoutMs);
}

/** The document of a pod, by the pod's address. */
export function readPod({ status }: Pod, port: number): Promise<Progress | undefined> {
  return readProgress(status?.podIP ?? '', port);
}

/** Reads the documents of pods through the API server, as from where no pod's address can be reached. Needs `get` on pods/proxy. */
export function readPodThrough({ askPod }: Pick<Kube, 'askPod'>, timeoutMs = TIMEOUT_MS) {
  return ({ metadata }: Pod, port: number): Promise<Progress | undefined> => {
    const ref = { namespace: metadata?.namespace ?? '', name: metadata?.name ?? '' };
    return documentOf((signal) => askPod(ref, port, '/progress', { signal }), timeoutMs);
  };
}

async function documentOf(ask: (signal: AbortSignal) => Promise<Answer>, timeoutMs: number): Promise<Progress | undefined> {
  try {
    const { statusCode, body } = await ask(AbortSignal.timeout(timeoutMs));
    if (statusCode !== 200) {
      // A body that is given up says so by an error event, which ends the process where nobody listens.
      body.on('error', () => {}).destroy();
      return undefined;
    }
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for await (const part of body as AsyncIterable<Uint8Array>) {
      bytes += part.length;
      // Leaving the loop breaks the connection.
      if (bytes > MAX_PROGRESS_BYTES) return undefined;
      parts.push(part);
    }
    return parseProgress(Buffer.concat(parts).toString('utf8'));
  } catch {
    return undefined;
  }
}
