/** The network that a run was for: its averaged generator at the end, in one file that says what it is and what it is not for. */
import type { TrainingRun } from '../../crds/run.ts';
import { serializeSafetensors } from '../checkpoint/safetensors.ts';
import type { Store } from '../checkpoint/store.ts';
import type { Position } from './loop.ts';
import type { OpenRun } from './open-run.ts';
import type { Session } from './session.ts';
import { toTensorFile } from './tensor-files.ts';

export async function writeFinalNetwork(
  store: Store,
  run: TrainingRun,
  open: OpenRun,
  session: Session,
  position: Position,
): Promise<void> {
  const tensors = toTensorFile(
    open.options.shape,
    'generator-ema',
    session.snapshot((name) => name.startsWith('Gs/')),
  );
  await store.write('snapshots/network-final.safetensors', serializeSafetensors(tensors, modelCard(run, open, position)));
}

/** Metadata of the final network: what it is, and what it is not for. */
function modelCard(run: TrainingRun, { dataset, record }: OpenRun, position: Position): Readonly<Record<string, string>> {
  return {
    model: 'PG-GAN generator, averaged weights (Karras et al., ICLR 2018)',
    training: `${run.owner.namespace}/${run.owner.name}`,
    fingerprint: record.fingerprint,
    images: String(position.images),
    data:
      dataset.source.kind === 'phantom'
        ? 'phantoms: synthetic drawings of chest radiographs, no patients'
        : `${dataset.name}, ${dataset.images} images`,
    network: JSON.stringify({ ...run.network, resolution: run.schedule.resolution, labelSize: dataset.labelSize }),
    intendedUse: 'research; its images are synthetic and not for diagnosis',
  };
}
