/** Line charts as SVG: panels one above the other over a common axis, with shaded spans behind them. */
import { svgText, textWidth } from './font.ts';

export type Point = { readonly x: number; readonly y: number };
type Series = {
  readonly name: string;
  readonly colour: string;
  /** In rising order of x; the line is broken where y is not finite. */
  readonly points: readonly Point[];
};
type Panel = {
  readonly title: string;
  readonly series: readonly Series[];
  /** A value that is marked by a dashed line and always within the axis. */
  readonly reference?: number;
};
/** A part of the x axis: shaded between `from` and `shadedTo`, plain from there to `to`. */
export type Span = { readonly label: string; readonly from: number; readonly shadedTo: number; readonly to: number };
export type Chart = {
  readonly title: string;
  readonly xTitle: string;
  /** What the shade of spans means. */
  readonly shade: string;
  readonly spans: readonly [Span, ...Span[]];
  readonly panels: readonly Panel[];
};

const WIDTH = 1280;
const PANEL_HEIGHT = 210;
/** Around the panels, and between two of them. */
const LEFT = 100;
const RIGHT = WIDTH - 48;
const TOP = 150;
const BETWEEN = 64;
const BOTTOM = 96;
/** Heights of capitals. */
const SIZE = 11;
const TITLE_SIZE = 15;

const INK = '#1f2937';
const FAINT = '#6b7280';
const GRID = '#e5e7eb';
const SHADE = '#dbeafe';
const BORDER = '#94a3b8';

/** The chart as an SVG document on white. Values far outside of what the rest need are drawn as a triangle at the edge of their panel. */
export function chartSvg({ title, xTitle, shade, spans, panels }: Chart): string {
  const bottom = TOP + panels.length * (PANEL_HEIGHT + BETWEEN) - BETWEEN;
  const height = bottom + BOTTOM;
  const xAxis = { from: spans[0].from, to: spans.at(-1)?.to ?? spans[0].to };
  const x = (value: number): number => LEFT + ((value - xAxis.from) / (xAxis.to - xAxis.from)) * (RIGHT - LEFT);
  const key = svgText(shade, RIGHT, 56, { size: SIZE, colour: FAINT, anchor: 'end' });
  const swatch = rect(RIGHT - textWidth(shade, SIZE) - 36, 43, 26, 16, SHADE);
  const ticks = ticksOf(xAxis.from, xAxis.to, 8).map((tick) =>
    svgText(tick.text, x(tick.value), bottom + 28, { size: SIZE, colour: FAINT, anchor: 'middle' }),
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}">`,
    rect(0, 0, WIDTH, height, '#ffffff'),
    svgText(title, LEFT, 58, { size: TITLE_SIZE, colour: INK, bold: true }),
    swatch,
    key,
    ...spans.map((span) => spanLabel(span, x)),
    ...panels.map((panel, index) => panelSvg(panel, TOP + index * (PANEL_HEIGHT + BETWEEN), spans, x)),
    ...ticks,
    svgText(xTitle, (LEFT + RIGHT) / 2, bottom + 64, { size: SIZE, colour: INK, anchor: 'middle' }),
    '</svg>',
  ].join('');
}

type Scale = (value: number) => number;

function panelSvg({ title, series, reference }: Panel, top: number, spans: readonly Span[], x: Scale): string {
  const { low, high } = valueRange([
    ...series.flatMap(({ points }) => points.map(({ y }) => y)),
    ...(reference === undefined ? [] : [reference]),
  ]);
  const y: Scale = (value) => top + PANEL_HEIGHT - ((value - low) / (high - low)) * PANEL_HEIGHT;
  const back = spans.map(({ from, shadedTo, to }) => {
    const faded = shadedTo > from ? rect(x(from), top, x(shadedTo) - x(from), PANEL_HEIGHT, SHADE) : '';
    return faded + line(x(to), top, x(to), top + PANEL_HEIGHT, BORDER);
  });
  const grid = ticksOf(low, high, 5).map(({ value, text }) =>
    [
      line(LEFT, y(value), RIGHT, y(value), GRID),
      svgText(text, LEFT - 14, y(value) + SIZE / 2, { size: SIZE, colour: FAINT, anchor: 'end' }),
    ].join(''),
  );
  const mark = reference === undefined ? '' : line(LEFT, y(reference), RIGHT, y(reference), FAINT, '6 5');
  return [
    ...back,
    ...grid,
    line(LEFT, top, LEFT, top + PANEL_HEIGHT, BORDER),
    line(LEFT, top + PANEL_HEIGHT, RIGHT, top + PANEL_HEIGHT, BORDER),
    mark,
    ...series.map((one) => seriesSvg(one, x, y, top)),
    svgText(title, LEFT, top - 14, { size: SIZE, colour: INK, bold: true }),
    legend(series, top - 14),
  ].join('');
}

function seriesSvg({ colour, points }: Series, x: Scale, y: Scale, top: number): string {
  const bottom = top + PANEL_HEIGHT;
  const lines: string[] = [];
  const outside: string[] = [];
  let pen = 'M';
  for (const point of points) {
    if (!Number.isFinite(point.y)) {
      pen = 'M';
      continue;
    }
    const [px, py] = [x(point.x), Math.min(Math.max(y(point.y), top), bottom)];
    lines.push(`${pen}${round(px)} ${round(py)}`);
    pen = 'L';
    if (y(point.y) < top) outside.push(`M${round(px - 5)} ${top + 9}h10l-5 -9z`);
    if (y(point.y) > bottom) outside.push(`M${round(px - 5)} ${bottom - 9}h10l-5 9z`);
  }
  const few = points.length <= 60 ? points.filter((point) => Number.isFinite(point.y) && y(point.y) >= top && y(point.y) <= bottom) : [];
  const dots = few.map((point) => `<circle cx="${round(x(point.x))}" cy="${round(y(point.y))}" r="3"/>`);
  const drawn = `<path d="${lines.join('')}" fill="none" stroke="${colour}" stroke-width="2" stroke-linejoin="round" stroke-linecap="round"/>`;
  return `${drawn}<g fill="${colour}">${dots.join('')}<path d="${outside.join('')}"/></g>`;
}

/** Names with their colours, from the right edge to the left. */
function legend(series: readonly Series[], y: number): string {
  let right = RIGHT;
  return series
    .toReversed()
    .map(({ name, colour }) => {
      const text = svgText(name, right, y, { size: SIZE, colour: INK, anchor: 'end' });
      const left = right - textWidth(name, SIZE) - 10;
      right = left - 26 - 28;
      return text + line(left - 26, y - SIZE / 2, left, y - SIZE / 2, colour, undefined, 3);
    })
    .join('');
}

/** The span's name above the panels, where it has room. */
function spanLabel({ label, from, to }: Span, x: Scale): string {
  if (textWidth(label, SIZE) > x(to) - x(from) - 6) return '';
  return svgText(label, (x(from) + x(to)) / 2, TOP - 44, { size: SIZE, colour: INK, anchor: 'middle' });
}

/** An axis for the values, with some room. A few values that would make it several times as long stay outside. */
function valueRange(values: readonly number[]): { readonly low: number; readonly high: number } {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.round(share * (sorted.length - 1))] ?? 0;
  const most = at(0.98) - at(0.02);
  const clipped = at(1) - at(0) > 4 * most && most > 0;
  const [low, high] = clipped ? [at(0.02) - most / 2, at(0.98) + most / 2] : [at(0), at(1)];
  const largest = Math.max(Math.abs(low), Math.abs(high));
  // Values that agree to six digits are shown as the level line that they are.
  const level = high - low <= Math.max(largest * 1e-6, 1e-9);
  const room = level ? Math.max(largest * 0.1, 0.5) : (high - low) * 0.06;
  return { low: low - room, high: high + room };
}

/** About `count` round numbers within [from, to]. */
function ticksOf(from: number, to: number, count: number): readonly { readonly value: number; readonly text: string }[] {
  const rough = (to - from) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10) * power;
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const first = Math.ceil(from / step - 1e-9);
  const ticks = Array.from({ length: Math.floor(to / step + 1e-9) - first + 1 }, (_, i) => (first + i) * step);
  return ticks.map((value) => ({ value, text: (Math.abs(value) < step / 2 ? 0 : value).toFixed(digits).replace('-', '−') }));
}

function rect(x: number, y: number, width: number, height: number, colour: string): string {
  return `<rect x="${round(x)}" y="${y}" width="${round(width)}" height="${height}" fill="${colour}"/>`;
}

function line(x1: number, y1: number, x2: number, y2: number, colour: string, dashes?: string, width = 1): string {
  const dash = dashes === undefined ? '' : ` stroke-dasharray="${dashes}"`;
  return `<path d="M${round(x1)} ${round(y1)}L${round(x2)} ${round(y2)}" stroke="${colour}" stroke-width="${width}"${dash}/>`;
}

const round = (value: number): number => Math.round(value * 100) / 100;
