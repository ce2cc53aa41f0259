/** Reads /progress of a trainer process, bounded in time and size: what answers is not trusted. */
import { request } from 'undici';
import { MAX_PROGRESS_BYTES, type Progress, parseProgress } from '../../crds/progress.ts';

const TIMEOUT_MS = 2000;

/** One document; undefined where nobody answers, or not with one. Redirects are not followed. */
export async function readProgress(host: string, port: number, timeoutMs = TIMEOUT_MS): Promise<Progress | undefined> {
  try {
    const address = host.includes(':') ? `[${host}]` : host;
    const { statusCode, body } = await request(`http://${address}:${port}/progress`, { signal: AbortSignal.timeout(timeoutMs) });
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
