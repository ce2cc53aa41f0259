/** Largest absolute deviations from golden numbers, per quantity, and whether they are tolerable. */

/** Absolute tolerances per kind of quantity, as the golden numbers come with them. */
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
  | 'adamMoments';

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
  // Gradients, and their squares, at weights that have trained for three iterations: no closer than those.
  adamMoments: 1e-4,
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
  adamMoments: 1e-4,
};

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
