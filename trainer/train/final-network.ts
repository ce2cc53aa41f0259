/** The network that a run was for: its averaged generator at the end, in one file that says what it is and what it is not for. */
import type { TrainingRun } from '../../crds/run.ts';
import { serializeSafetensors } from '../checkpoint/safetensors.ts';
import type { Store } from '../checkpoint/store.ts';
import { modelFacts } from '../export/model-facts.ts';
import type { OpenRun } from './open-run.ts';
import type { Session } from './session.ts';
import { toTensorFile } from './tensor-files.ts';

/** @param images real images shown @param lod level of detail at the end */
export async function writeFinalNetwork(
  store: Store,
  run: TrainingRun,
  { record, options: { shape } }: OpenRun,
  session: Session,
  images: number,
  lod: number,
): Promise<void> {
  const values = session.snapshot((name) => name.startsWith('Gs/'));
  const facts = modelFacts({ record, run, shape, images, lod });
  await store.write('snapshots/network-final.safetensors', serializeSafetensors(toTensorFile(shape, 'generator-ema', values), facts));
}
