/** Receives a download in a file that appears, whole, when the download has been verified. */
import { open, rename, rm } from 'node:fs/promises';
import type { Sink } from './download.ts';

/** Runs `work` with a sink; where it returns something the file is put in place, else nothing of it is left. Memory holds the ranges under way only. */
export async function intoFile<T>(file: string, work: (open: () => Sink) => Promise<T | undefined>): Promise<T | undefined> {
  const part = `${file}.part`;
  const handle = await open(part, 'w');
  let result: T | undefined;
  try {
    result = await work(() => ({
      space: (_, length) => Buffer.allocUnsafe(length),
      filled: async (start, bytes) => {
        for (let done = 0; done < bytes.length; ) done += (await handle.write(bytes, done, bytes.length - done, start + done)).bytesWritten;
      },
    }));
    if (result !== undefined) {
      await handle.sync();
      await rename(part, file);
    }
  } finally {
    await handle.close();
    if (result === undefined) await rm(part, { force: true });
  }
  return result;
}
