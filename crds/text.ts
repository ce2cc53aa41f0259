/** Durations, sizes and what fits as people read them, in the same words wherever they are told. */

/** 45 s, 12 min, 3 h 20 min, 2 d 4 h. */
export function duration(seconds: number): string {
  const minutes = Math.round(seconds / 60);
  if (seconds < 90) return `${Math.max(0, Math.round(seconds))} s`;
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return `${Math.floor(minutes / 1440)} d ${Math.floor((minutes % 1440) / 60)} h`;
}

/** 12 MB, 1.3 GB: decimal units. */
export function size(bytes: number): string {
  if (bytes < 1e6) return `${Math.max(1, Math.round(bytes / 1e3))} kB`;
  if (bytes < 1e9) return `${Math.round(bytes / 1e6)} MB`;
  return `${(bytes / 1e9).toFixed(1)} GB`;
}

/** The minibatch that fits, and the microbatch, which trains on as many images per update in more passes; null where there is none. */
export function fittingText(minibatch: number | null, microbatch: number | null): string {
  if (minibatch === null) return 'not even a minibatch of 1 fits';
  const parts = microbatch === null ? '' : `, and the largest microbatch of this one is ${microbatch}`;
  return `the largest minibatch that fits is ${minibatch}${parts}`;
}
