/** The one table of errors: a stable code, the trainer's exit code, what it means and what to do. `docs/reference/errors.md` is generated from it. */

/** Exit codes of the trainer (DESIGN: contract of phases and Jobs). Anything else is a crash and is retried from the last checkpoint. */
export const EXIT = {
  complete: 0,
  invalid: 2,
  doesNotFit: 3,
  storeUnavailable: 4,
  stopped: 75,
} as const;

type ErrorEntry = { readonly exit: number; readonly meaning: string; readonly remedy: string };

export const ERRORS = {
  ManifestInvalid: {
    exit: 2,
    meaning: 'A manifest is not a valid object of its kind.',
    remedy: 'Correct the fields that the message lists.',
  },
  RunDocumentInvalid: {
    exit: 2,
    meaning: 'PGGAN_RUN is missing, no JSON, or of another major version than this trainer reads.',
    remedy: 'Use the trainer image that belongs to the operator; never write PGGAN_RUN by hand.',
  },
  UsageInvalid: { exit: 2, meaning: 'The command line is wrong.', remedy: 'See the command with --help.' },
  ImagesInvalid: {
    exit: 2,
    meaning: 'Some images of the folder cannot become a dataset; nothing was written.',
    remedy: 'Mend or remove the files listed, or let --resize and --grayscale convert them.',
  },
  DatasetInvalid: {
    exit: 2,
    meaning: 'A dataset folder or one of its TFRecord files is not what the run needs.',
    remedy: 'Create the dataset again with `dataset create-from-images`, or correct spec.dataset.uri.',
  },
  DatasetExists: {
    exit: 2,
    meaning: 'The dataset folder to be written is there already.',
    remedy: 'Name another folder, or remove this one.',
  },
  OptionsInvalid: {
    exit: 2,
    meaning: 'Options contradict each other, such as a minibatch that its minibatch-stddev group does not divide.',
    remedy: 'Change the options that the message names.',
  },
  CheckpointInvalid: {
    exit: 2,
    meaning: 'A checkpoint is damaged or belongs to another network.',
    remedy: 'Remove the checkpoint folder that the message names; the next older one is used.',
  },
  SnapshotInvalid: {
    exit: 2,
    meaning: 'A network snapshot (.pkl) of the TensorFlow original is damaged, or holds what no snapshot holds; nothing of it was run.',
    remedy: 'Fetch the file again, or ask whoever made it; never load an untrusted pickle in Python to find out.',
  },
  ExportExists: {
    exit: 2,
    meaning: 'The folder to export into holds something else than an export of these weights.',
    remedy: 'Name another folder, or remove this one.',
  },
  VideoEncoderUnavailable: {
    exit: 2,
    meaning: 'ffmpeg, which encodes the videos, is not installed, lacks H.264, or failed.',
    remedy: 'Install it (Debian and Ubuntu: `apt-get install ffmpeg`; macOS: `brew install ffmpeg`), or set PGGAN_FFMPEG to its path.',
  },
  FingerprintMismatch: {
    exit: 2,
    meaning: 'The run folder holds a run with other options or another dataset.',
    remedy: 'Give the training another name, or delete the run folder.',
  },
  RunNested: {
    exit: 2,
    meaning: 'The run folder would lie inside that of another training.',
    remedy:
      'Set spec.output.uri to a folder outside of the run folder that the message names; on a cluster, delete the training and apply it again.',
  },
  RunOwned: {
    exit: 75,
    meaning: 'Another process writes to this run folder.',
    remedy: 'Stop it first; the folder is free again when its process has ended or its lease has run out.',
  },
  RunNotOurs: {
    exit: 2,
    meaning:
      'A run folder that was to be deleted belongs to another training, holds what does, or nothing in it says whose it is; nothing was deleted.',
    remedy: 'Look at owner.json in the folder, and delete the folder in the store if it is really to go.',
  },
  BackendUnavailable: {
    exit: 2,
    meaning: 'The compute backend that was asked for cannot be had on this machine.',
    remedy: 'Run the set-up again and read its messages; on a cluster use the image that fits the node.',
  },
  DoesNotFit: {
    exit: 3,
    meaning: 'The training would not fit into the memory it is given.',
    remedy:
      'Lower the minibatch (or set the microbatch) that the message names, or give the phase more memory; `plan` says what each phase needs.',
  },
  StoreUnavailable: {
    exit: 4,
    meaning: 'The store cannot be reached, or there is nothing where a dataset or run should be.',
    remedy: 'Check the endpoint and the address; the run goes on by itself once it is there.',
  },
  StoreRefused: {
    exit: 4,
    meaning: 'The store answers, and refuses: wrong credentials, missing rights, or no such bucket.',
    remedy: 'Mend the credentials, the policy or the bucket; on a cluster the run then goes on by itself, a local one is started again.',
  },
  StoreFull: {
    exit: 4,
    meaning: 'There is no room left where the run is kept.',
    remedy: 'Free space: a running training waits for it and goes on by itself; start any other command again.',
  },
  Interrupted: { exit: 75, meaning: 'The run was stopped on request, after saving.', remedy: 'Start it again to go on.' },
  TrainingFailed: {
    exit: 1,
    meaning: 'Training ended more often than maxRestarts allows, or ends again and again without making headway.',
    remedy: 'Read the log of the trainer that the message names, then start the run again.',
  },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERRORS;

/** An error that a user can act on. Its message names the file, field or object, what was found and what to do. */
export class PgganError extends Error {
  override readonly name = 'PgganError';
  readonly code: ErrorCode;
  /** The findings one by one, where the message joins several. */
  readonly details: readonly string[];

  constructor(code: ErrorCode, message: string, options: { readonly cause?: unknown; readonly details?: readonly string[] } = {}) {
    super(message, options);
    this.code = code;
    this.details = options.details ?? [];
  }

  /** The exit code with which a trainer process ends on this error. */
  get exitCode(): number {
    return ERRORS[this.code].exit;
  }
}

/** Any caught value as an Error; what was thrown becomes its cause. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown), { cause: thrown });
}
