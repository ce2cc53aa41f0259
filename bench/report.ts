/** Prints results as a table for people or as lines of JSON for programs. */

export type Column<Row> = { readonly title: string; readonly cell: (row: Row) => string };

export type Printer<Row> = { header(): void; row(row: Row): void };

/** Rows appear as they are measured, since a run is long. Columns are as wide as their title, or `width`. */
export function printer<Row>(columns: readonly Column<Row>[], json: boolean, write: (line: string) => void): Printer<Row> {
  const line = (cells: readonly string[]): string =>
    cells.map((cell, at) => (at === 0 ? cell.padEnd(FIRST) : cell.padStart(Math.max(columns[at]?.title.length ?? 0, WIDTH)))).join('  ');
  return {
    header() {
      if (!json) write(line(columns.map(({ title }) => title)));
    },
    row: (row) => write(json ? JSON.stringify(row) : line(columns.map(({ cell }) => cell(row)))),
  };
}

const FIRST = 28;
const WIDTH = 7;

/** Three significant digits without an exponent. */
export function figure(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return '-';
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

export const gigabytes = (bytes: number | undefined): string => (bytes === undefined ? '-' : (bytes / 1e9).toFixed(2));
export const percent = (share: number): string => `${(share * 100).toFixed(0)}%`;
