/** Shows how far a long command is: one bar that moves on a terminal, a plain line every tenth of the way elsewhere. */

/** The part of a stream that is used; process.stderr is one. */
export type ProgressStream = { readonly isTTY?: boolean; readonly columns?: number; write(text: string): unknown };

export type ProgressBar = {
  /** Tells where the work stands, from 0 to `total`; the last call, with `done` equal to `total`, ends the bar. */
  readonly update: (done: number, total: number) => void;
};

/** A bar named after the work that it shows. */
export function progressBar(stream: ProgressStream, title: string): ProgressBar {
  let started: number | undefined;
  let shown = -1;
  const steps = stream.isTTY ? 200 : 10;
  return {
    update(done, total) {
      started ??= performance.now();
      const step = total > 0 ? Math.floor((done / total) * steps) : steps;
      if (step === shown) return;
      shown = step;
      const text = `${title} ${done}/${total} (${Math.floor((100 * done) / Math.max(total, 1))}%)${remaining(started, done, total)}`;
      if (!stream.isTTY) stream.write(`${text}\n`);
      else stream.write(`\r\x1b[2K${bar(done / Math.max(total, 1), text, stream.columns ?? 80)}${done === total ? '\n' : ''}`);
    },
  };
}

/** Width of the bar itself; it gives way to the text on a narrow terminal. */
const WIDTH = 30;

function bar(share: number, text: string, columns: number): string {
  const width = Math.min(WIDTH, columns - text.length - 4);
  if (width < 5) return text.slice(0, Math.max(columns - 1, 0));
  const full = Math.round(share * width);
  return `[${'#'.repeat(full)}${'-'.repeat(width - full)}] ${text}`;
}

function remaining(started: number, done: number, total: number): string {
  const seconds = (performance.now() - started) / 1000;
  if (done === total) return `, ${seconds.toFixed(1)} s`;
  return done > 0 && seconds > 1 ? `, ${Math.ceil((seconds / done) * (total - done))} s left` : '';
}
