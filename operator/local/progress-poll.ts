/** Reads /progress of a trainer process on this machine, once a second, and never waits long for it. */
import type { Progress } from '../../crds/progress.ts';
import { readProgress } from '../progress/read.ts';

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
    const progress = at === undefined ? undefined : await readProgress('127.0.0.1', at);
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
