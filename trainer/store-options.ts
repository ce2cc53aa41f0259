/** The options by which commands say how an object store is reached, and how people name folders: as paths or as addresses. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Command } from 'commander';
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
  return /^[a-z0-9]+:\/\//.test(pathOrUri) ? pathOrUri : pathToFileURL(resolve(pathOrUri)).href;
}
