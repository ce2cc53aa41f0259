/** Evaluations as text: the reference's table, a line at a time while it grows. */
import type { Row } from './evaluate.ts';
import type { Column } from './metric.ts';

const SNAPSHOT_WIDTH = 10;
const TIME_WIDTH = 12;

/** The two lines above the first row. */
export function tableHead(columns: readonly Column[]): readonly [string, string] {
  const line = (snapshot: string, time: string, cell: (column: Column) => string): string =>
    snapshot.padEnd(SNAPSHOT_WIDTH) + time.padEnd(TIME_WIDTH) + columns.map((column) => cell(column).padEnd(column.width)).join('');
  return [line('Snapshot', 'Time_eval', ({ name }) => name), line('---', '---', () => '---')];
}

export function tableRow(row: Row, columns: readonly Column[]): string {
  const cells = columns.map(({ name, decimals, width }) => (row.metrics[name] ?? Number.NaN).toFixed(decimals).padEnd(width));
  return row.snapshot.padEnd(SNAPSHOT_WIDTH) + evaluationTime(row.seconds).padEnd(TIME_WIDTH) + cells.join('');
}

/** 59s, 3m 05s, 2h 00m 09s, 4d 01h 30m. */
export function evaluationTime(seconds: number): string {
  const s = Math.round(seconds);
  const [minutes, hours] = [Math.floor(s / 60), Math.floor(s / 3600)];
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${minutes}m ${two(s % 60)}s`;
  if (s < 86400) return `${hours}h ${two(minutes % 60)}m ${two(s % 60)}s`;
  return `${Math.floor(hours / 24)}d ${two(hours % 24)}h ${two(minutes % 60)}m`;
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}
