/** Means of a step's scalars since the last tick, with the sums kept in the checkpoint so that a resumed tick reports the same numbers. */

export type Sums = Readonly<Record<string, { readonly sum: number; readonly count: number }>>;

/** Adds samples to sums; those that are not finite are dropped, as the reference does. */
export function addSample(sums: Sums, sample: Readonly<Record<string, number>>): Sums {
  const next: Record<string, { sum: number; count: number }> = { ...sums };
  for (const [name, value] of Object.entries(sample)) {
    if (!Number.isFinite(value)) continue;
    const before = next[name] ?? { sum: 0, count: 0 };
    next[name] = { sum: before.sum + value, count: before.count + 1 };
  }
  return next;
}

/** The mean of each scalar. */
export function meansOf(sums: Sums): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(sums).map(([name, { sum, count }]) => [name, sum / count]));
}

/** Scalars of both networks under one roof: `D.loss`, `G.loss`, ... */
export function prefixed(prefix: string, sample: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(sample).map(([name, value]) => [`${prefix}.${name}`, value]));
}
