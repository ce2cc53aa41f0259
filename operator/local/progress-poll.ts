/** Reads /progress of a trainer process on this machine, once a second, and never waits long for it. */
import { MAX_PROGRESS_BYTES, type Progress, parseProgress } from '../../crds/progress.ts';

const TIMEOUT_MS = 2000;

/** One document; undefined where the process does not answer, or not with one. */
export async function readProgress(port: number): Promise<Progress | undefined> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/progress`, { redirect: 'error', signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!response.ok || Number(response.headers.get('content-length') ?? 0) > MAX_PROGRESS_BYTES) return undefined;
    return parseProgress(await response.text());
  } catch {
    return undefined;
  }
}

export type Poll = {
  /** Looks now instead of at the next turn: the process has said something. */
  look(): void;
  end(): void;
};

/** Calls `tell` with every document read from the port that `port` names at the moment. */
export function poll(port: () => number | undefined, tell: (progress: Progress) => void, everyMs = 1000): Poll {
  let ended = false;
  let looking = false;
  let timer: NodeJS.Timeout;
  const look = async (): Promise<void> => {
    if (looking) return;
    clearTimeout(timer);
    looking = true;
    const at = port();
    const progress = at === undefined ? undefined : await readProgress(at);
    looking = false;
    if (ended) return;
    if (progress) tell(progress);
    timer = setTimeout(() => void look(), everyMs);
  };
  timer = setTimeout(() => void look(), everyMs);
  return {
    look: () => void look(),
    end() {
      ended = true;
      clearTimeout(timer);
    },
  };
}
