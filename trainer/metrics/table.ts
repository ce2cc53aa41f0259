/** Evaluations as text: the reference's table, a line at a time while it grows. */
import { formatTime } from '../report/log.ts';
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
  return row.snapshot.padEnd(SNAPSHOT_WIDTH) + formatTime(row.seconds).padEnd(TIME_WIDTH) + cells.join('');
}
