/** Parts of PromQL that boards and alerts share. */

/** Labels of an object. Those of the scraped pod are left out: another pod leads tomorrow, and tells of the same objects. */
export const OBJECT = 'namespace, name';

/** Series of the resolution that is in training: those of ended phases stay as they were at their end. */
export const ofCurrentResolution = (selector = ''): string =>
  `and on (${OBJECT}, resolution) count_values by (${OBJECT}) ("resolution", pggan_training_resolution_pixels${selector})`;

/** Trainings whose process shows images. Progressing is True while a pod is awaited, too. */
export const TRAINS = 'pggan_training_reason{reason=~"Training|FadingIn|Checkpointing"}';

/** Why a training or a synthesis waits for its store. */
export const STORE_REASONS = 'StoreUnavailable|StoreFull';

/** Unix time of what was safe last: the newest checkpoint, or the start of the process that has saved none yet. */
export const lastSafe = (selector = ''): string =>
  `max by (${OBJECT}) (pggan_training_checkpoint_timestamp_seconds${selector} or pggan_training_phase_pod_start_timestamp_seconds${selector})`;
