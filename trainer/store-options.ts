/** The options by which commands say how an object store is reached, and how people name folders: as paths or as addresses. */
import type { Command } from 'commander';
import { folderUri as uriOfPath, readRunNotes } from '../crds/run-notes.ts';
import type { Access } from './checkpoint/open-store.ts';

export type StoreCommandOptions = { readonly endpoint?: string; readonly region?: string };

/** Adds --endpoint and --region to a command that takes s3:// addresses. Keys are never options: other users see command lines. */
export function withStoreOptions(command: Command): Command {
  return command
    .option('--endpoint <url>', 'of the object store, for s3:// addresses (default: AWS_ENDPOINT_URL)')
    .option('--region <region>', 'of the object store (default: AWS_REGION, else us-east-1)');
}

/** How s3:// is reached: as the options say, else as `known` has it, else as the environment does. */
export function accessOf({ endpoint, region }: StoreCommandOptions, known: Access = {}): Access {
  return { ...known, ...(endpoint === undefined ? {} : { endpoint }), ...(region === undefined ? {} : { region }) };
}

/** A folder as a URI, given as a path or as one. */
export function folderUri(pathOrUri: string): string {
  return isUri(pathOrUri) ? pathOrUri : uriOfPath(pathOrUri);
}

/** Where the run is that people name by a folder or an address, and how it is reached: a folder may hold the local driver's notes alone. */
export function runNamed(pathOrUri: string, options: StoreCommandOptions): { readonly uri: string; readonly s3: Access } {
  const notes = isUri(pathOrUri) ? undefined : readRunNotes(pathOrUri);
  return { uri: notes?.run ?? folderUri(pathOrUri), s3: accessOf(options, notes?.spec.store) };
}

const isUri = (text: string): boolean => /^[a-z0-9]+:\/\//.test(text);
