/** How a trainer is called besides its run document: the command, and the names by which the operator tells it and the trainer looks. */
import type { RunDocument } from './run.ts';

export const POD_COMMANDS = ['preflight', 'train', 'delete-run', 'synthesize'] as const;
export type PodCommand = (typeof POD_COMMANDS)[number];

/** The trainer's command for a run document: its only argument. Others are refused, so that no pod does what its Job is not called. */
export function podCommand(run: RunDocument): PodCommand {
  if (run.kind === 'synthesis') return 'synthesize';
  return run.task.kind === 'deleteRun' ? 'delete-run' : run.task.kind;
}

/** Environment variables of a trainer's pod. Manifests cannot set PGGAN_*. */
export const POD_ENV = {
  /** The run document, as JSON. */
  run: 'PGGAN_RUN',
  /** Which shard of a synthesis this process is, from 0: all pods of an Indexed Job share one run document. */
  shard: 'PGGAN_SHARD',
  /** Folder with the files accessKey and secretKey; they may appear late, or never. */
  storeCredentials: 'PGGAN_STORE_CREDENTIALS',
  /** PEM file of the certificate authority that signed the store's certificate. */
  storeCa: 'PGGAN_STORE_CA',
} as const;
