/** Leaves the last progress document where a kubelet, or the local driver, reads it after this process has ended, however it ended. */
import { closeSync, existsSync, fstatSync, openSync, writeSync } from 'node:fs';
import { asError } from '../../crds/errors.ts';
import { MAX_TERMINATION_BYTES, type Progress } from '../../crds/progress.ts';

const VARIABLE = 'PGGAN_TERMINATION_LOG';
const KUBERNETES = '/dev/termination-log';

/** Where the termination message goes: what PGGAN_TERMINATION_LOG names, or a pod's file, or nowhere. */
export function terminationPath(environment: NodeJS.ProcessEnv = process.env): string | undefined {
  return environment[VARIABLE] || (existsSync(KUBERNETES) ? KUBERNETES : undefined);
}

/**
 * Replaces the termination message by one write, so that a SIGKILL leaves the old one or the new one: the file is not emptied first, and a
 * shorter message is padded with spaces. A run does not end because this cannot be written.
 * @returns what went wrong, if anything
 */
export function writeTermination(progress: Progress, path: string | undefined = terminationPath()): string | undefined {
  if (path === undefined) return undefined;
  try {
    const file = openSync(path, openFlags(path), 0o644);
    try {
      const { size } = fstatSync(file);
      const message = fitTermination(progress);
      const padding = Math.min(size, MAX_TERMINATION_BYTES) - Buffer.byteLength(message);
      writeSync(file, message + ' '.repeat(Math.max(padding, 0)), 0);
    } finally {
      closeSync(file);
    }
    return undefined;
  } catch (error) {
    return `the termination message cannot be written to ${path}: ${asError(error).message}`;
  }
}

/** The document as JSON of at most 4,096 bytes: what can be missed is left out first, then long texts are cut. */
export function fitTermination(progress: Progress): string {
  let document: Record<string, unknown> = progress;
  const fits = (): boolean => Buffer.byteLength(JSON.stringify(document)) <= MAX_TERMINATION_BYTES;
  for (const field of ['warnings', 'picture', 'resumedFrom', 'datasetBytes', 'differences']) {
    if (fits()) break;
    const { [field]: dropped, ...rest } = document;
    document = Array.isArray(dropped) && field === 'differences' ? { ...rest, differences: cutList(dropped) } : rest;
  }
  if (!fits() && progress.failure)
    document = { ...document, failure: { ...progress.failure, message: cut(progress.failure.message, 400) } };
  if (!fits()) {
    const { checkpoint: _, manifest: __, ...rest } = document;
    document = rest;
  }
  return JSON.stringify(document);
}

function cutList(differences: readonly unknown[]): readonly string[] {
  return differences.slice(0, 16).map((text) => cut(String(text), 120));
}

function cut(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length - 3)}...` : text;
}

function openFlags(path: string): 'r+' | 'w' {
  return existsSync(path) ? 'r+' : 'w';
}
