/** Largest deviations from golden numbers, per quantity, and whether they are tolerable. */

/** Absolute tolerances per kind of quantity, as the golden numbers come with them; that of Adam's `v` is a share of the tensor's largest value. */
export type Tolerances = Readonly<Record<Quantity, number>>;
export type Quantity =
  | 'images'
  | 'losses'
  | 'scores'
  | 'gradientNorms'
  | 'gradientsG'
  | 'gradientsD'
  | 'weightsTrained'
  | 'weightsAveraged'
  | 'adamM'
  | 'adamV'
  | 'adamPowers';

/** One comparison: where, of which kind, how far off. */
export type Deviation = { readonly at: string; readonly quantity: Quantity; readonly deviation: number; readonly tolerance: number };

export const NATIVE_TOLERANCES: Tolerances = {
  images: 5e-5,
  losses: 1e-5,
  scores: 1e-5,
  gradientNorms: 1e-5,
  gradientsG: 2e-5,
  gradientsD: 5e-6,
  weightsTrained: 1e-4,
  weightsAveraged: 1e-6,
  // beta1 is 0 in the golden cases: m is the last gradient.
  adamM: 2e-5,
  // A hundredth of squared gradients: the largest of a tensor lie between 4e-7 and 0.05, so that no absolute tolerance would tell a wrong one in each.
  adamV: 1e-3,
  // Powers of a float32, multiplied up in float32.
  adamPowers: 1e-7,
};

/** WebAssembly adds up in another order. */
export const WASM_TOLERANCES: Tolerances = {
  images: 1e-4,
  losses: 1e-4,
  scores: 1e-4,
  gradientNorms: 1e-4,
  gradientsG: 1e-4,
  gradientsD: 1e-4,
  weightsTrained: 1e-4,
  weightsAveraged: 1e-4,
  adamM: 1e-4,
  adamV: 1e-3,
  adamPowers: 1e-7,
};

/** Of which kind a tensor of a golden case is, by its name. */
export function quantityOf(key: string): Quantity {
  if (key.endsWith('/G_images')) return 'images';
  if (/_loss_mean$|label_penalty/.test(key)) return 'losses';
  if (key.endsWith('/mixed_norms')) return 'gradientNorms';
  if (key.includes('/grad/')) return key.includes('/grad/G/') ? 'gradientsG' : 'gradientsD';
  if (key.includes('/after/')) return key.includes('/after/Gs/') ? 'weightsAveraged' : 'weightsTrained';
  if (key.includes('/adam_m/')) return 'adamM';
  if (key.includes('/adam_v/')) return 'adamV';
  return /\/adam_beta[12]_power\//.test(key) ? 'adamPowers' : 'scores';
}

/** Of v: smaller ones are squares of what is left where terms cancel (the last bias of D), whose relative error says nothing. */
const CANCELLED = 1e-7;

/** Compares a tensor with what is expected of it, under its quantity's measure. */
export function compared(
  at: string,
  quantity: Quantity,
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerances: Tolerances,
): Deviation {
  const largest = largestDeviation(actual, expected);
  const deviation = quantity === 'adamV' && largest > 0 ? largest / Math.max(largestValue(expected), CANCELLED) : largest;
  return { at, quantity, deviation, tolerance: tolerances[quantity] };
}

/** Largest absolute difference; infinite where a value is not a number or the lengths differ. */
export function largestDeviation(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Infinity;
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs((actual[i] ?? NaN) - (expected[i] ?? NaN));
    if (!(difference <= largest)) largest = Number.isNaN(difference) ? Infinity : difference;
  }
  return largest;
}

function largestValue(values: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 0; i < values.length; i++) largest = Math.max(largest, Math.abs(values[i] ?? Number.NaN));
  return largest;
}

/** The comparisons that exceed their tolerance. */
export function beyondTolerance(deviations: readonly Deviation[]): readonly Deviation[] {
  return deviations.filter(({ deviation, tolerance }) => !(deviation <= tolerance));
}

/** The largest deviation of each kind of quantity. */
export function largestByQuantity(deviations: readonly Deviation[]): Partial<Record<Quantity, number>> {
  const largest: Partial<Record<Quantity, number>> = {};
  for (const { quantity, deviation } of deviations) largest[quantity] = Math.max(largest[quantity] ?? 0, deviation);
  return largest;
}
