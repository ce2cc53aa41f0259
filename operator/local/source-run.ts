/** The run that a manifest refers to by the name of its training: where it is, and how it stands. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PgganError } from '../../crds/errors.ts';
import { folderUri } from '../../crds/run-notes.ts';
import type { PGGANTrainingSpec } from '../../crds/v1alpha1/pggan-training.ts';
import { isTrue } from '../kube/conditions.ts';
import { driverOf } from './lock.ts';
import type { Manifest } from '../../crds/manifest.ts';
import { baseOf, type Keeping, type Place, placeOf } from './places.ts';
import { readState, type TrainingState } from './state.ts';

export type Source = {
  readonly place: Place;
  /** How its s3:// is reached. */
  readonly store: PGGANTrainingSpec['store'];
  /** The process that drives it at the moment. */
  driver(): number | undefined;
  /** How it stands, read anew. */
  now(): { readonly succeeded: boolean; readonly stalled: boolean; readonly checkpointUri?: string; readonly resolution?: number };
};

/**
 * The run of the training `name` that `object` refers to: of the training in the same file, else of one that was started before, with the
 * same --output or beside the object's own output. `keeping` is that of trainings. @throws {PgganError} ManifestInvalid where there is none
 */
export function sourceRun(field: string, name: string, object: Manifest, objects: readonly Manifest[], keeping: Keeping): Source {
  const { namespace = 'default' } = object.metadata;
  const listed = objects.find(
    (other) => other.kind === 'PGGANTraining' && other.metadata.name === name && (other.metadata.namespace ?? 'default') === namespace,
  );
  if (listed?.kind === 'PGGANTraining') return sourceAt(placeOf(listed, keeping), listed.spec.store);
  const folders = [...new Set([baseOf(keeping), ...ownBase(object, keeping)])].map((base) => join(base, namespace, name));
  const folder = folders.find((candidate) => trainingIn(candidate) !== undefined || existsSync(join(candidate, 'checkpoints')));
  if (folder === undefined) {
    throw new PgganError(
      'ManifestInvalid',
      `${field}: there is no run of a training ${name} in ${folders.join(' or ')}: train it first, put it into the same file, or name its --output`,
    );
  }
  const state = trainingIn(folder);
  return sourceAt({ folder, uri: state?.run ?? folderUri(folder) }, state?.spec.store);
}

function ownBase(object: Manifest, keeping: Keeping): readonly string[] {
  const { folder } = placeOf(object, keeping);
  return [join(folder, '../..')];
}

function sourceAt(place: Place, store: PGGANTrainingSpec['store']): Source {
  const { folder, uri } = place;
  return {
    place,
    store,
    driver: () => driverOf(folder),
    now() {
      const state = trainingIn(folder);
      const saved = existsSync(join(folder, 'checkpoints')) || state?.status?.checkpoint !== undefined;
      return {
        // A folder that was brought here without the driver's notes is finished where its final network is.
        succeeded: state ? isTrue(state.status?.conditions, 'Succeeded') : existsSync(join(folder, 'snapshots/network-final.safetensors')),
        stalled: isTrue(state?.status?.conditions, 'Stalled'),
        ...(saved && { checkpointUri: uri }),
        ...(state && { resolution: state.spec.resolution }),
      };
    },
  };
}

function trainingIn(folder: string): TrainingState | undefined {
  const state = readState(folder);
  return state?.kind === 'PGGANTraining' ? state : undefined;
}
