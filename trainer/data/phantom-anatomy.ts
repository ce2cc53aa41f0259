/** The measurements of one phantom: how its body, pose and exposure differ from the average. */
import type { Random } from '../train/random.ts';

/** Lengths are in half image widths; the image runs from -1 to 1, y downwards. Lateral lengths are measured from the midline. */
export type Side = {
  readonly apexY: number;
  /** Where the lung ends at the ribs (costophrenic angle). */
  readonly baseY: number;
  readonly outer: number;
  readonly inner: number;
  /** Share of the height over which the apex is rounded. */
  readonly roundness: number;
  readonly dome: number;
  readonly domeX: number;
  /** How far the heart reaches beyond the mediastinum, and at what height. */
  readonly heartBulge: number;
  readonly heartY: number;
  readonly hilumY: number;
  readonly vessels: number;
  readonly tilt: number;
  readonly offset: number;
};

type Opacity = {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly density: number;
  readonly offset: number;
};

export type Anatomy = {
  readonly pose: {
    readonly cosine: number;
    readonly sine: number;
    readonly scale: number;
    readonly shiftX: number;
    readonly shiftY: number;
  };
  readonly midline: number;
  readonly neckY: number;
  readonly neckHalf: number;
  readonly shoulderY: number;
  readonly trunkHalf: number;
  readonly softTissue: number;
  readonly aeration: number;
  readonly mediastinum: number;
  readonly spinePhase: number;
  readonly ribSpacing: number;
  readonly ribPhase: number;
  readonly clavicle: { readonly y: number; readonly rise: number; readonly tilt: number; readonly half: number };
  readonly aorta: { readonly x: number; readonly y: number };
  readonly bubble: { readonly size: number; readonly at: number };
  /** The patient's right lung is on the viewer's left. */
  readonly right: Side;
  readonly left: Side;
  readonly opacities: readonly Opacity[];
  readonly exposure: {
    readonly gain: number;
    readonly gamma: number;
    readonly black: number;
    readonly range: number;
    readonly grain: number;
  };
};

/** Anatomy of phantom `index`; `opacity` is the chance that it shows consolidations. */
export function anatomyOf(random: Random, index: number, opacity: number): Anatomy {
  const draws = random.normal('phantom/anatomy', index, 96);
  const chances = random.uniform('phantom/chances', index, 16);
  let drawn = 0;
  // Two standard deviations at most: a phantom is a plausible body, never a monster.
  const vary = (mean: number, deviation: number): number => mean + deviation * Math.min(Math.max(draws[drawn++] ?? 0, -2), 2);
  const angle = vary(0, 0.025);
  const breath = vary(0, 0.06);
  const size = vary(1, 0.08);
  const heartY = vary(0.3, 0.03) + breath * 0.5;
  const side = (base: number, bulge: number): Side => ({
    apexY: vary(-0.72, 0.04),
    baseY: base + breath,
    outer: vary(0.78, 0.03),
    inner: vary(0.13, 0.012),
    roundness: vary(0.62, 0.05),
    dome: vary(0.17, 0.025),
    domeX: vary(0.38, 0.03),
    heartBulge: bulge,
    heartY,
    hilumY: vary(-0.08, 0.03),
    vessels: vary(1, 0.25),
    tilt: vary(0, 0.015),
    offset: vary(8, 3),
  });
  const right = side(0.58, vary(0.09, 0.02) * size);
  const left = side(0.64, vary(0.28, 0.03) * size);
  return {
    pose: { cosine: Math.cos(angle), sine: Math.sin(angle), scale: vary(1, 0.04), shiftX: vary(0, 0.025), shiftY: vary(0, 0.03) },
    midline: vary(0, 0.012),
    neckY: vary(-1.12, 0.04),
    neckHalf: vary(0.24, 0.02),
    shoulderY: vary(-0.5, 0.06),
    trunkHalf: vary(0.97, 0.03),
    softTissue: vary(0.4, 0.04),
    aeration: vary(0.32, 0.025),
    mediastinum: vary(0.16, 0.015),
    spinePhase: vary(0, 0.08),
    ribSpacing: vary(0.155, 0.008),
    ribPhase: vary(0, 0.05),
    clavicle: { y: vary(-0.58, 0.03), rise: vary(0.12, 0.04), tilt: vary(0, 0.015), half: vary(0.036, 0.004) },
    aorta: { x: vary(0.14, 0.012), y: vary(-0.3, 0.03) },
    bubble: { size: (chances[0] ?? 0) < 0.5 ? vary(0.1, 0.02) : 0, at: vary(0, 0.04) },
    right,
    left,
    exposure: {
      gain: vary(1.9, 0.14),
      gamma: vary(1.12, 0.1),
      black: vary(0.03, 0.012),
      range: vary(1.06, 0.06),
      grain: Math.abs(vary(0.018, 0.005)),
    },
    // Last, so that the same body is drawn with and without opacities.
    opacities: opacitiesOf((chances[1] ?? 1) < opacity ? 1 + Math.floor((chances[2] ?? 0) * 3) : 0, vary, chances),
  };
}

/** Consolidations lie in the lower two thirds of either lung. */
function opacitiesOf(count: number, vary: (mean: number, deviation: number) => number, chances: Float32Array): readonly Opacity[] {
  return Array.from({ length: count }, (_, i) => {
    const side = (chances[3 + i] ?? 0) < 0.55 ? -1 : 1;
    return {
      x: side * vary(0.42, 0.09),
      y: vary(0.12, 0.18),
      width: Math.max(vary(0.2, 0.06), 0.07),
      height: Math.max(vary(0.18, 0.06), 0.07),
      density: vary(0.24, 0.05),
      offset: vary(0, 20),
    };
  });
}
