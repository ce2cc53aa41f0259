/** Bytes as they arrive, cut into lines: a chunk may end anywhere, in the middle of a letter too. */
import { KubeError } from './errors.ts';

const NEWLINE = 0x0a;

/** Far above what etcd takes for one object (1.5 MiB): beyond it, what comes is not a watch. */
const LONGEST_LINE_BYTES = 16 * 2 ** 20;

/** The lines of a stream, without the empty ones. @throws {KubeError} Dropped where the stream ends inside a line, Malformed where a line has no end */
export async function* lines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string, void> {
  let rest: Uint8Array[] = [];
  let restBytes = 0;
  for await (const chunk of chunks) {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, from)) {
      const line = text([...rest, chunk.subarray(from, end)]);
      rest = [];
      restBytes = 0;
      from = end + 1;
      if (line !== '') yield line;
    }
    if (from === chunk.length) continue;
    rest.push(chunk.subarray(from));
    restBytes += chunk.length - from;
    if (restBytes > LONGEST_LINE_BYTES) throw new KubeError('Malformed', `a line of a watch is longer than ${LONGEST_LINE_BYTES} bytes`);
  }
  if (restBytes > 0) throw new KubeError('Dropped', 'a watch ended in the middle of a line');
}

/** Decodes only what is whole: UTF-8 has no newline inside a letter. */
function text(parts: readonly Uint8Array[]): string {
  return Buffer.concat(parts).toString('utf8').trimEnd();
}
