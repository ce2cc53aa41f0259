/** Draws a synthetic frontal chest radiograph: a body of simple shapes with chest-like attenuation, exposed on a noisy film. */
import type { Random } from '../train/random.ts';
import { type Anatomy, anatomyOf, type Side } from './phantom-anatomy.ts';
import { clamp, lattice, type Noise, ridge, smoothstep } from './phantom-shapes.ts';

/** How likely an image shows an opacity (a consolidation, as in pneumonia). */
export type PhantomOptions = { readonly resolution: number; readonly opacity: number };

/**
 * Image `index` of the phantoms of a seed, uint8 [resolution * resolution], bright where little radiation passes, as radiographs are shown;
 * the heart is on the viewer's right. The anatomy depends on the index alone, so an image looks the same at every resolution. Transcendental
 * functions are used, so the last bits, and rarely a grey level, may differ between versions of Node.
 */
export function drawPhantom(random: Random, index: number, options: PhantomOptions): Uint8Array {
  const anatomy = anatomyOf(random, index, options.opacity);
  const texture = lattice(random.normal('phantom/texture', index, 256));
  const { resolution } = options;
  const film = new Float32Array(resolution * resolution);
  const pixel = 2 / resolution;
  const { cosine, sine, scale, shiftX, shiftY } = anatomy.pose;
  for (let row = 0; row < resolution; row++) {
    for (let column = 0; column < resolution; column++) {
      const u = ((column + 0.5) * pixel - 1 - shiftX) / scale;
      const v = ((row + 0.5) * pixel - 1 - shiftY) / scale;
      film[row * resolution + column] = attenuation(anatomy, texture, u * cosine + v * sine, v * cosine - u * sine, pixel / scale);
    }
  }
  return expose(film, anatomy, random.normal('phantom/noise', index, film.length));
}

/**
 * What the rays at (x, y) meet, 0 for air and about 1 for the mediastinum. x and y run from -1 to 1, to the viewer's right and down; edges
 * are as soft as a pixel.
 */
function attenuation(body: Anatomy, texture: Noise, x: number, y: number, pixel: number): number {
  const trunk = trunkThickness(body, x, y, pixel);
  if (trunk === 0) return 0;
  const side = x < body.midline ? body.right : body.left;
  const lateral = Math.abs(x - body.midline);
  const lung = lungDepth(side, lateral, y, pixel);
  const structure = texture(x * 3.1 + 7, y * 3.1) * 0.5 + texture(x * 7.3, y * 7.3 + 5) * 0.3 + texture(x * 15, y * 15) * 0.2;
  const dome = diaphragmAt(side, lateral);
  const below = smoothstep(dome, dome + Math.max(0.06, pixel) + 2 * Math.max(lateral - side.outer, 0), y);
  const soft = trunk * (body.softTissue + 0.03 * structure);
  const abdomen = below * trunk * (0.17 + 0.03 * structure) - gastricBubble(body, x, y) * below;
  const air = lung * body.aeration * (1 - 0.1 * structure);
  const hilum = lung * side.vessels * vessels(side, texture, lateral, y, structure);
  const middle = mediastinum(body, x, y, pixel, trunk) * (1 - below * 0.6);
  const haze = lung > 0 ? lung * opacity(body, texture, x, y) : 0;
  return Math.max(soft + abdomen - air + hilum + middle + haze + trunk * bones(body, side, x, lateral, y, pixel, lung), 0);
}

/** The trunk seen from the front: neck, sloping shoulders, sides; rounded, so that it is thinner towards its edge. */
function trunkThickness(body: Anatomy, x: number, y: number, pixel: number): number {
  const shoulder = smoothstep(body.neckY, body.shoulderY, y);
  const half = body.neckHalf + (body.trunkHalf - body.neckHalf) * Math.sqrt(shoulder) + 0.05 * smoothstep(0, 1, y);
  const inside = half - Math.abs(x - body.midline * 0.5);
  if (inside <= 0) return 0;
  const relative = 1 - inside / half;
  return Math.sqrt(1 - relative ** 3) * smoothstep(0, Math.max(0.05, pixel), inside);
}

/** How much of the ray runs through lung, 0 to 1; lateral is the distance from the midline. */
function lungDepth(side: Side, lateral: number, y: number, pixel: number): number {
  const height = (y - side.apexY) / (side.baseY - side.apexY);
  if (height <= 0 || y > 1) return 0;
  const outer = cageAt(side, y);
  const inner = side.inner + 0.03 * (1 - smoothstep(0, 0.3, height));
  const edge = Math.max(0.035, pixel);
  const across = smoothstep(0, edge * 1.6, outer - lateral) * smoothstep(-edge, edge * 1.4, lateral - inner);
  const base = smoothstep(0, edge * 1.2, diaphragmAt(side, lateral) - y);
  const width = Math.max(outer - inner, 0.05);
  const centred = (lateral - inner) / width - 0.5;
  return across * base * clamp(1.06 - 1.1 * centred * centred, 0, 1) * smoothstep(0, 0.16, height);
}

/** Outer border of the lung: rounded at the apex, widest at the base. */
function cageAt(side: Side, y: number): number {
  const height = clamp((y - side.apexY) / (side.baseY - side.apexY), 0, 1);
  const dome = 1 - (1 - Math.min(height / side.roundness, 1)) ** 2;
  return side.outer * Math.sqrt(dome) * (0.9 + 0.1 * height);
}

/** Height of the diaphragm: a dome that falls off towards the ribs (the costophrenic angle). */
function diaphragmAt(side: Side, lateral: number): number {
  const from = Math.min((lateral - side.domeX) / (side.outer - side.domeX), 1.12);
  return side.baseY - side.dome + side.dome * from * from * (from > 0 ? 1.5 : 0.5);
}

function gastricBubble(body: Anatomy, x: number, y: number): number {
  const { size, at } = body.bubble;
  return size === 0 ? 0 : 0.16 * ridge(x - body.midline, 0.36 + at, size) * ridge(y, body.left.baseY + 0.06, size * 0.6);
}

/** Spine, heart, great vessels, and the dark stripe of the windpipe. */
function mediastinum(body: Anatomy, x: number, y: number, pixel: number, trunk: number): number {
  const across = x - body.midline;
  const edge = Math.max(0.05, pixel);
  const vertebra = 0.5 + 0.5 * Math.cos(((y - body.spinePhase) * 2 * Math.PI) / (body.ribSpacing * 0.93));
  const spine = smoothstep(0, edge * 1.5, 0.11 - Math.abs(across)) * (0.05 + 0.06 * vertebra);
  const inside = Math.min(heartBorder(body.left, body, y) - across, heartBorder(body.right, body, y) + across);
  const heart = smoothstep(-edge * 0.2, edge * 1.6, inside) * (0.19 + 0.2 * smoothstep(0, 0.3, inside) + 0.06 * smoothstep(-0.1, 0.3, y));
  const knob = ridge(across, body.aorta.x, 0.085) * ridge(y, body.aorta.y, 0.1) * 0.1;
  const windpipe = ridge(across, -0.015, 0.035) * (1 - smoothstep(-0.3, -0.15, y)) * 0.1;
  return trunk * (heart + spine + knob - windpipe);
}

/** Half width of the shadow of heart and vessels on one side: narrow above, then a slope to where the heart reaches furthest, and back. */
function heartBorder(side: Side, body: Anatomy, y: number): number {
  const down = y < side.heartY ? smoothstep(-0.42, side.heartY, y) : 1 - 0.55 * smoothstep(side.heartY, side.heartY + 0.42, y);
  return body.mediastinum * (1 + 0.25 * (1 - smoothstep(-0.9, -0.6, y))) + side.heartBulge * down;
}

/** Vessel shadows: strongest at the hilum, branching outwards as ridges of the texture. */
function vessels(side: Side, texture: Noise, lateral: number, y: number, structure: number): number {
  const dx = lateral - side.inner;
  const dy = y - side.hilumY;
  const distance = Math.sqrt(dx * dx + dy * dy);
  const branches = 1 - Math.min(Math.abs(texture(Math.atan2(dy, dx) * 3 + side.offset, distance * 2.5)) * 2.2, 1);
  const near = 1 / (1 + (distance / 0.16) ** 2);
  return near * (0.16 + 0.08 * structure) + branches * branches * 0.1 * (1 - smoothstep(0.1, 0.75, distance));
}

function opacity(body: Anatomy, texture: Noise, x: number, y: number): number {
  let sum = 0;
  for (const patch of body.opacities) {
    const reach = ((x - patch.x) / patch.width) ** 2 + ((y - patch.y) / patch.height) ** 2;
    const ragged = 1 + 0.7 * texture(x * 5 + patch.offset, y * 5) + 0.4 * texture(x * 11, y * 11 + patch.offset);
    sum += patch.density * smoothstep(0, 1, 1.3 - reach / Math.max(ragged, 0.3));
  }
  return Math.min(sum, 0.45);
}

/** Ribs (posterior ones fall outwards, the fainter anterior ones inwards), clavicles and shoulder blades. */
function bones(body: Anatomy, side: Side, x: number, lateral: number, y: number, pixel: number, lung: number): number {
  const cage = smoothstep(0, 0.1, side.outer + 0.07 - lateral) * smoothstep(side.apexY - 0.06, side.apexY + 0.06, y);
  const posterior = ribs(y - body.ribPhase - side.tilt - (0.5 * lateral - 0.15) * lateral * 1.6, body, side, pixel, 0.19);
  const anterior = ribs(y - body.ribPhase * 1.7 + (0.95 * lateral - 0.25) * lateral * 0.9, body, side, pixel, 0.15);
  const fade = 1 - 0.55 * smoothstep(0.35, 0.8, y);
  const ribbed = cage * fade * (0.35 + 0.65 * lung) * (posterior * 0.15 + anterior * 0.065 * smoothstep(0.15, 0.35, lateral));
  // Rays that run along the curve of the ribs meet the most bone: the bright rim of the cage.
  const rim =
    ridge(lateral, cageAt(side, y), Math.max(0.045, pixel)) * smoothstep(side.apexY, side.apexY + 0.2, y) * (1 - smoothstep(0.45, 0.75, y));
  const { clavicle } = body;
  const along = clamp((lateral - 0.07) / 0.75, 0, 1);
  const line =
    clavicle.y - clavicle.rise * along + 0.055 * Math.sin(along * 2 * Math.PI) + (x < body.midline ? clavicle.tilt : -clavicle.tilt);
  const off = Math.abs(y - line);
  const thick = Math.max(clavicle.half * (1 + 0.5 * (1 - along) ** 3), pixel * 0.6);
  const shaft = lateral > 0.06 ? (1 - smoothstep(thick * 0.55, thick * 1.25, off)) * smoothstep(0.06, 0.1, lateral) : 0;
  const blade = ridge(lateral, 0.86, 0.16) * ridge(y, -0.32, 0.4) * 0.1;
  return ribbed + rim * (0.04 + 0.14 * posterior) + shaft * 0.17 + blade;
}

/** A ladder of ribs, 0 between and 1 on them; blurred where they are finer than a pixel. Their edges are denser than their middle. */
function ribs(position: number, body: Anatomy, side: Side, pixel: number, half: number): number {
  const rung = position / body.ribSpacing + side.offset * 0.02;
  const from = Math.abs(rung - Math.round(rung));
  const soft = Math.max(0.1, (pixel / body.ribSpacing) * 0.7);
  const inside = 1 - smoothstep(half, half + soft, from);
  return inside * (0.8 + 0.3 * smoothstep(half * 0.4, half, from));
}

/** Film: absorption saturates, then window and gamma vary from image to image; noise is stronger where little radiation arrives. */
function expose(film: Float32Array, body: Anatomy, noise: Float32Array): Uint8Array {
  const { exposure } = body;
  return Uint8Array.from(film, (absorbed, i) => {
    const density = 1 - Math.exp(-exposure.gain * absorbed);
    const shown = exposure.black + exposure.range * clamp(density, 0, 1) ** exposure.gamma;
    const grain = exposure.grain * (0.4 + 0.6 * shown) * (noise[i] ?? 0);
    return Math.round(clamp(shown + grain, 0, 1) * 255);
  });
}
