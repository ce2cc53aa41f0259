/** What a model says of itself inside its own file, as text by name: what it is, what it was trained on, and what it is not for. */
import type { TrainingRun } from '../../crds/run.ts';
import type { RunRecord } from '../checkpoint/run-folder.ts';
import type { NetworkShape } from '../networks/weights.ts';

export type Described = {
  readonly record: RunRecord;
  /** Undefined for an imported snapshot. */
  readonly run: TrainingRun | undefined;
  readonly shape: NetworkShape;
  /** Real images shown. */
  readonly images: number;
  /** Level of detail reached: 0 at full resolution; the fraction of a fade-in under way blends in the resolution below. */
  readonly lod: number;
};

export const NOTICE = 'Synthetic images made by a neural network. For research; not for diagnosis.';

export type ModelFacts = Readonly<
  Record<'model' | 'training' | 'fingerprint' | 'images' | 'lod' | 'data' | 'network' | 'notice' | 'intendedUse', string>
>;

export function modelFacts({ record, run, shape, images, lod }: Described): ModelFacts {
  return {
    model: 'PG-GAN generator, averaged weights (Karras et al., ICLR 2018)',
    training: run ? `${run.owner.namespace}/${run.owner.name}` : 'imported from a snapshot of the TensorFlow original',
    fingerprint: record.fingerprint,
    images: String(images),
    lod: String(lod),
    data: dataText(record.data),
    network: JSON.stringify(shape),
    notice: NOTICE,
    intendedUse: 'Research; its images are synthetic and not for diagnosis',
  };
}

export function dataText({ label, name, images }: RunRecord['data']): string {
  switch (label) {
    case 'phantom':
      return 'phantoms: synthetic drawings of chest radiographs, no patients';
    case 'images':
      return `${typeof name === 'string' ? name : 'images without a name'}, ${images} images`;
    case 'unknown':
      return 'not known: the snapshot does not say what it was trained on';
  }
}
