/** A stroke font for pictures, as SVG paths: no font file has to be installed, and labels look the same on every machine and at every size. */

/** Units per em: capitals are 14 high, small letters 9, descenders reach 4 below the line. */
const CAP_HEIGHT = 14;
const STROKE = 1.5;
const BOLD_STROKE = 2.1;
const SPACING = 3;

/** Width without the room between letters, and the strokes: y grows downwards from the top of a capital. */
type Glyph = readonly [width: number, path: string];

const BOWL = 'M0 9.5A4 4.5 0 1 1 8 9.5A4 4.5 0 1 1 0 9.5';
const UNKNOWN: Glyph = [7, 'M0.3 3Q0.8 0 3.6 0Q7 0 7 3.3Q7 5.3 5 6.8Q3.6 7.9 3.6 10M3.6 13.8V14'];

const GLYPHS: Readonly<Record<string, Glyph>> = {
  ' ': [2.5, ''],
  0: [8, 'M0 7A4 7 0 1 1 8 7A4 7 0 1 1 0 7'],
  1: [8, 'M1.2 3L4.8 0V14'],
  2: [8, 'M0.3 3.4Q0.8 0 4 0Q7.6 0 7.6 3.6Q7.6 6 5 8.7L0 14H8'],
  3: [8, 'M0.5 0H7.3L3.8 5.4Q8 5.4 8 9.7Q8 14 4 14Q0.8 14 0 11.3'],
  4: [8, 'M6 14V0L0 10.3H8.3'],
  5: [8, 'M7.2 0H1.3L0.7 6.4Q2 5.2 4 5.2Q8 5.2 8 9.5Q8 14 3.9 14Q0.9 14 0 11.6'],
  6: [8, 'M6.3 0Q0 4 0 9.6Q0 14 4 14Q8 14 8 9.6Q8 5.6 4.1 5.6Q1.2 5.6 0.2 8.4'],
  7: [8, 'M0 0H8L2.8 14'],
  8: [8, 'M4 6.5A3.4 3.25 0 1 1 4 0A3.4 3.25 0 1 1 4 6.5A4 3.75 0 1 1 4 14A4 3.75 0 1 1 4 6.5'],
  9: [8, 'M1.7 14Q8 10 8 4.4Q8 0 4 0Q0 0 0 4.4Q0 8.4 3.9 8.4Q6.8 8.4 7.8 5.6'],
  A: [10, 'M0 14L5 0L10 14M1.8 9H8.2'],
  B: [9, 'M0 0V14H5Q9 14 9 10.4Q9 6.8 5 6.8H0M5 6.8Q8.3 6.8 8.3 3.4Q8.3 0 5 0H0'],
  C: [9.5, 'M9.3 3.43A5 7 0 1 0 9.3 10.57'],
  D: [9.5, 'M0 0V14H3.5Q9.5 14 9.5 7Q9.5 0 3.5 0Z'],
  E: [8, 'M8 0H0V14H8M0 6.8H7'],
  F: [8, 'M8 0H0V14M0 7H6.8'],
  G: [10, 'M9.3 3.43A5 7 0 1 0 10 8H5.8'],
  H: [9, 'M0 0V14M9 0V14M0 6.8H9'],
  I: [1, 'M0.5 0V14'],
  J: [5, 'M5 0V10Q5 14 2.3 14Q0.5 14 0 12.4'],
  K: [9, 'M0 0V14M8.5 0L0 8.5M3.2 5.6L9 14'],
  L: [7.5, 'M0 0V14H7.5'],
  M: [11, 'M0 14V0L5.5 9L11 0V14'],
  N: [9, 'M0 14V0L9 14V0'],
  O: [10, 'M0 7A5 7 0 1 1 10 7A5 7 0 1 1 0 7'],
  P: [9, 'M0 14V0H5Q9 0 9 3.9Q9 7.8 5 7.8H0'],
  Q: [10, 'M0 7A5 7 0 1 1 10 7A5 7 0 1 1 0 7M6.5 10.5L10 14.5'],
  R: [9, 'M0 14V0H5Q9 0 9 3.9Q9 7.8 5 7.8H0M5 7.8L9.2 14'],
  S: [9, 'M8.6 2.4Q7.3 0 4.5 0Q0.6 0 0.6 3.5Q0.6 6.4 4.5 7Q9 7.7 9 10.5Q9 14 4.5 14Q1.2 14 0 11.4'],
  T: [9, 'M0 0H9M4.5 0V14'],
  U: [9, 'M0 0V9.5Q0 14 4.5 14Q9 14 9 9.5V0'],
  V: [10, 'M0 0L5 14L10 0'],
  W: [14, 'M0 0L3.5 14L7 2L10.5 14L14 0'],
  X: [9, 'M0 0L9 14M9 0L0 14'],
  Y: [9, 'M0 0L4.5 7L9 0M4.5 7V14'],
  Z: [9, 'M0.3 0H8.7L0 14H9'],
  a: [7.5, 'M0.8 6.8Q1.9 5 4.1 5Q7.5 5 7.5 8.5V14M7.5 9H4Q0 9 0 11.5Q0 14 3.2 14Q7.5 14 7.5 10.5'],
  b: [8, `M0 0V14${BOWL}`],
  c: [7.4, 'M7.4 7.13A4 4.5 0 1 0 7.4 11.87'],
  d: [8, `M8 0V14${BOWL}`],
  e: [8, 'M0 9.5H8A4 4.5 0 1 0 6.8 12.7'],
  f: [5.5, 'M6 0.4Q5.3 0 4.3 0Q2 0 2 3V14M0 5H5.5'],
  g: [8, `M8 5V14.5Q8 18 4 18Q1.5 18 0.5 16.7${BOWL}`],
  h: [7.5, 'M0 0V14M0 9Q0 5 3.8 5Q7.5 5 7.5 9V14'],
  i: [1, 'M0.5 5V14M0.5 0.9V1.2'],
  j: [2, 'M2 5V15Q2 18 0 18M2 0.9V1.2'],
  k: [7, 'M0 0V14M6.6 5L0 11M2.6 8.7L7 14'],
  l: [2, 'M0 0V12Q0 14 2 14'],
  m: [12, 'M0 5V14M0 8.5Q0 5 3.2 5Q6 5 6 8.5V14M6 8.5Q6 5 9.2 5Q12 5 12 8.5V14'],
  n: [7.5, 'M0 5V14M0 9Q0 5 3.8 5Q7.5 5 7.5 9V14'],
  o: [8, BOWL],
  p: [8, `M0 5V18${BOWL}`],
  q: [8, `M8 5V18${BOWL}`],
  r: [4.5, 'M0 5V14M0 9.5Q0.4 5 4.5 5'],
  s: [6.8, 'M6.5 6.8Q5.6 5 3.5 5Q0.5 5 0.5 7.2Q0.5 9.1 3.5 9.5Q6.8 10 6.8 11.8Q6.8 14 3.5 14Q1 14 0 12.2'],
  t: [5.6, 'M2 1.5V11.5Q2 14 4.2 14Q5 14 5.6 13.7M0 5H5.4'],
  u: [7.5, 'M0 5V10Q0 14 3.7 14Q7.5 14 7.5 10M7.5 5V14'],
  v: [8, 'M0 5L4 14L8 5'],
  w: [12, 'M0 5L3 14L6 6L9 14L12 5'],
  x: [7, 'M0 5L7 14M7 5L0 14'],
  y: [8, 'M0 5L4 14M8 5L3.8 15.2Q2.7 18 0.2 18'],
  z: [7, 'M0.3 5H6.7L0 14H7'],
  '.': [1, 'M0.5 13.7V14'],
  ',': [1.5, 'M1 13.6V14L0.2 16.4'],
  ':': [1, 'M0.5 6V6.3M0.5 13.4V13.7'],
  '-': [4, 'M0 9H4'],
  '−': [7, 'M0 7.5H7'],
  '+': [7, 'M0 7.5H7M3.5 4V11'],
  '×': [6, 'M0 5L6 11M6 5L0 11'],
  '/': [6, 'M0 16L6 -1'],
  _: [7, 'M0 16H7'],
  '(': [3, 'M3 -1.5Q0 2 0 7Q0 12 3 15.5'],
  ')': [3, 'M0 -1.5Q3 2 3 7Q3 12 0 15.5'],
};

export type TextStyle = {
  /** Height of a capital in pixels. */
  readonly size: number;
  readonly colour: string;
  /** What `x` is of the text; its start by default. */
  readonly anchor?: 'start' | 'middle' | 'end';
  readonly bold?: boolean;
};

/** Text as an SVG element, its line at `y`. A character that the font lacks is a question mark. */
export function svgText(text: string, x: number, y: number, style: TextStyle): string {
  const { size, colour, anchor = 'start', bold = false } = style;
  const width = textWidth(text, size);
  const left = anchor === 'start' ? x : anchor === 'middle' ? x - width / 2 : x - width;
  const scale = size / CAP_HEIGHT;
  let at = 0;
  const paths = Array.from(text, (character) => {
    const [advance, path] = glyphOf(character);
    const element = path === '' ? '' : `<path transform="translate(${round(at)} 0)" d="${path}"/>`;
    at += advance + SPACING;
    return element;
  });
  const stroke = `fill="none" stroke="${colour}" stroke-width="${bold ? BOLD_STROKE : STROKE}" stroke-linecap="round" stroke-linejoin="round"`;
  return `<g transform="translate(${round(left)} ${round(y - size)}) scale(${round(scale)})" ${stroke}>${paths.join('')}</g>`;
}

/** Width in pixels of text whose capitals are `size` high. */
export function textWidth(text: string, size: number): number {
  const widths = Array.from(text, (character) => glyphOf(character)[0] + SPACING);
  return (Math.max(widths.reduce((sum, width) => sum + width, 0) - SPACING, 0) * size) / CAP_HEIGHT;
}

function glyphOf(character: string): Glyph {
  return (Object.hasOwn(GLYPHS, character) ? GLYPHS[character] : undefined) ?? UNKNOWN;
}

const round = (value: number): number => Math.round(value * 1000) / 1000;
