/** Chooses and prepares the tfjs backend: TensorFlow by the native addon, or WebAssembly where it cannot be had. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { asError, PgganError } from '../../crds/errors.ts';

export type BackendKind = 'native' | 'wasm';

/** What a run's bits depend on besides its seed; recorded in every checkpoint. */
export type Backend = {
  readonly kind: BackendKind;
  readonly device: 'cpu' | 'gpu';
  /** Version of libtensorflow, or of the wasm backend. */
  readonly version: string;
  readonly threads: number;
};

export type BackendOptions = {
  /** Threads of one op. Part of exact resume: set before TensorFlow is loaded and never changed in a process. */
  readonly threads: number;
  /** `native` and `wasm` are demands; `auto` falls back to wasm and reports what that costs through `warn`. */
  readonly want?: BackendKind | 'auto';
  readonly warn?: (message: string) => void;
};

let chosen: Backend | undefined;

/** Prepares the backend of this process, once. @throws {PgganError} BackendUnavailable */
export async function prepareBackend(options: BackendOptions): Promise<Backend> {
  if (chosen) {
    if (chosen.threads !== options.threads) throw new PgganError('BackendUnavailable', `this process computes with ${chosen.threads} threads, not ${options.threads}`);
    return chosen;
  }
  const want = options.want ?? wantedByEnvironment();
  if (want === 'wasm') return (chosen = await prepareWasm());
  try {
    return (chosen = await prepareNative(options.threads));
  } catch (cause) {
    const reason = whyNoAddon() ?? asError(cause).message.split('\n')[0];
    if (want === 'native') throw new PgganError('BackendUnavailable', `the native TensorFlow backend cannot be used: ${reason}`, { cause });
    options.warn?.(`no native TensorFlow backend (${reason}): training with WebAssembly, which is 10 to 50 times slower and fits small networks only`);
    return (chosen = await prepareWasm());
  }
}

function wantedByEnvironment(): BackendKind | 'auto' {
  const want = process.env['PGGAN_BACKEND'] ?? 'auto';
  if (want === 'native' || want === 'wasm' || want === 'auto') return want;
  throw new PgganError('BackendUnavailable', `PGGAN_BACKEND is '${want}': use native, wasm or auto`);
}

async function prepareNative(threads: number): Promise<Backend> {
  process.env['TF_NUM_INTRAOP_THREADS'] = String(threads);
  process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '2';
  restoreIsNullOrUndefined();
  // Reached by a variable so that TypeScript does not load its types, which name WebGL globals.
  const addon = '@tensorflow/tfjs-node-gpu';
  await import(addon);
  await tf.ready();
  const backend = tf.backend() as unknown as { readonly isUsingGpuDevice: boolean; readonly binding: { readonly TF_Version: string } };
  return { kind: 'native', device: backend.isUsingGpuDevice ? 'gpu' : 'cpu', version: backend.binding.TF_Version, threads };
}

async function prepareWasm(): Promise<Backend> {
  const wasm = await import('@tensorflow/tfjs-backend-wasm');
  wasm.setThreadsCount(1);
  await tf.setBackend('wasm');
  await tf.ready();
  return { kind: 'wasm', device: 'cpu', version: wasm.version_wasm, threads: 1 };
}

/** tfjs-node 4.22 calls util.isNullOrUndefined, which Node 23 took away. */
function restoreIsNullOrUndefined(): void {
  const util = process.getBuiltinModule('node:util') as { isNullOrUndefined?: (value: unknown) => boolean };
  util.isNullOrUndefined ??= (value) => value === null || value === undefined;
}

/** The set-up's reason for not having built the addon, if it left one. */
function whyNoAddon(): string | undefined {
  try {
    return readFileSync(resolve(import.meta.dirname, '../../node_modules/.pggan-no-addon'), 'utf8').trim();
  } catch {
    return undefined;
  }
}
