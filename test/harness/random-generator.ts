/** A run folder whose generator nobody has trained: what draws from it does not care, and it is there at once, in any shape. */
import { NETWORK_DEFAULTS } from '../../crds/run.ts';
import { saveCheckpoint } from '../../trainer/checkpoint/checkpoint.ts';
import { fileStore } from '../../trainer/checkpoint/file-store.ts';
import type { TensorFiles } from '../../trainer/checkpoint/format.ts';
import { importClaim } from '../../trainer/checkpoint/imported.ts';
import { claimRun } from '../../trainer/checkpoint/run-folder.ts';
import { storedFloats } from '../../trainer/checkpoint/safetensors.ts';
import { mayWrite, someCheckpoint } from '../../trainer/checkpoint/test-checkpoints.ts';
import { generatorWeights, type NetworkShape } from '../../trainer/networks/weights.ts';
import { createRandom } from '../../trainer/train/random.ts';

/** Of 8x8 grey images from latents of 16 numbers, unless `shape` says otherwise. */
export async function randomGenerator(folder: string, shape: Partial<NetworkShape> = {}): Promise<void> {
  const whole = { ...NETWORK_DEFAULTS, fmapBase: 64, fmapMax: 16, latentSize: 16, resolution: 8, labelSize: 0, ...shape };
  const store = fileStore(folder);
  const now = new Date('2026-01-01T00:00:00Z');
  await claimRun(store, importClaim(whole, {}), now);
  const random = createRandom(1);
  const weights = generatorWeights(whole).map(({ name, shape: size }) => {
    const count = size.reduce((product, side) => product * side, 1);
    return [
      name,
      storedFloats(
        size,
        random.normal(name, 0, count).map((value) => value * scaleOf(name)),
      ),
    ] as const;
  });
  const none = { tensors: new Map() };
  const files: TensorFiles = {
    generator: none,
    discriminator: none,
    'generator-ema': { tensors: new Map(weights) },
    'adam-generator': none,
    'adam-discriminator': none,
  };
  const { state, ...content } = someCheckpoint(1000, 0, { files });
  await saveCheckpoint(store, { ...content, state: { ...state, previousLod: 0 } }, mayWrite);
}

/** As a training begins, but with less contrast: clipped to black and white, other latents would be the same image. */
function scaleOf(name: string): number {
  if (name.endsWith('/bias')) return 0;
  return name.startsWith('ToRGB') ? 0.4 : 1;
}
