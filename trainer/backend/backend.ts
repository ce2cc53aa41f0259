/** Chooses and prepares the tfjs backend: TensorFlow by the native addon, or WebAssembly where it cannot be had. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { asError, PgganError } from '../../crds/errors.ts';
import { pinDeterminism, processorModel } from './determinism.ts';
import { registerNativeKernels } from './native-kernels.ts';
import { registerWasmKernels } from './wasm-kernels.ts';

type BackendKind = 'native' | 'wasm';

/** What a run's bits depend on besides its seed; recorded in every checkpoint. */
export type Backend = {
  readonly kind: BackendKind;
  readonly device: 'cpu' | 'gpu';
  /** Version of libtensorflow, or of the wasm backend. */
  readonly version: string;
  readonly threads: number;
  /** oneDNN's instruction set level, or `wasm`. */
  readonly isa: string;
  /** Model of the processor that computes. */
  readonly processor: string;
};

export type BackendOptions = {
  /** Threads of one op. Part of exact resume: set before TensorFlow is loaded and never changed in a process. */
  readonly threads: number;
  /** `native` and `wasm` are demands; `auto` falls back to wasm and reports what that costs through `warn`. */
  readonly want?: BackendKind | 'auto';
  /** `gpu` is a demand: without it the addon falls back to the CPU in silence. */
  readonly device?: 'gpu' | 'any';
  /** The instruction set level that a checkpoint records, to be used again where this machine has it. */
  readonly isa?: string;
  readonly warn?: (message: string) => void;
};

/** What a process of this environment will compute with, guessed without loading it: to see that TensorFlow is there costs more than many tasks. */
export function expectedBackend(): Pick<Backend, 'kind' | 'device'> {
  return { kind: wantedBackend() === 'wasm' ? 'wasm' : 'native', device: 'cpu' };
}

let chosen: { readonly backend: Backend; readonly threads: number } | undefined;

/** Prepares the backend of this process, once. @throws {PgganError} BackendUnavailable */
export async function prepareBackend(options: BackendOptions): Promise<Backend> {
  if (chosen && chosen.threads !== options.threads) {
    throw new PgganError(
      'BackendUnavailable',
      `this process computes with ${chosen.threads} threads, not ${options.threads}: start another one`,
    );
  }
  const backend = chosen?.backend ?? (await choose(options));
  chosen = { backend, threads: options.threads };
  if (options.device === 'gpu' && backend.device !== 'gpu') {
    const advice = 'check that the node has a driver, that the pod asks for nvidia.com/gpu, and that the image is the gpu one';
    throw new PgganError(
      'BackendUnavailable',
      `a GPU was asked for, but the ${backend.kind} backend found none and computes on the CPU: ${advice}`,
    );
  }
  return backend;
}

async function choose(options: BackendOptions): Promise<Backend> {
  // Stops the banners that recommend other backends.
  tf.enableProdMode();
  const want = options.want ?? wantedBackend();
  if (want === 'wasm') return prepareWasm();
  try {
    return await prepareNative(options);
  } catch (cause) {
    const reason = whyNoAddon() ?? asError(cause).message.split('\n')[0];
    if (want === 'native') throw new PgganError('BackendUnavailable', `the native TensorFlow backend cannot be used: ${reason}`, { cause });
    options.warn?.(
      `no native TensorFlow backend (${reason}): training with WebAssembly, which is 10 to 50 times slower and fits small networks only`,
    );
    return prepareWasm();
  }
}

/** What PGGAN_BACKEND asks for. @throws {PgganError} BackendUnavailable for anything that is no backend */
function wantedBackend(): BackendKind | 'auto' {
  const want = process.env['PGGAN_BACKEND'] ?? 'auto';
  if (want === 'native' || want === 'wasm' || want === 'auto') return want;
  throw new PgganError('BackendUnavailable', `PGGAN_BACKEND is '${want}': use native, wasm or auto`);
}

async function prepareNative({ threads, isa: recorded }: BackendOptions): Promise<Backend> {
  const isa = pinDeterminism({ threads, ...(recorded === undefined ? {} : { isa: recorded }) });
  process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '2';
  restoreUtilities();
  // Reached by a variable so that TypeScript does not load its types, which name WebGL globals.
  const addon = '@tensorflow/tfjs-node-gpu';
  await import(addon);
  await tf.ready();
  registerNativeKernels();
  const backend = tf.backend() as unknown as { readonly isUsingGpuDevice: boolean; readonly binding: { readonly TF_Version: string } };
  const device = backend.isUsingGpuDevice ? 'gpu' : 'cpu';
  return { kind: 'native', device, version: backend.binding.TF_Version, threads, isa, processor: processorModel(device) };
}

async function prepareWasm(): Promise<Backend> {
  const wasm = await import('@tensorflow/tfjs-backend-wasm');
  wasm.setThreadsCount(1);
  registerWasmKernels();
  await tf.setBackend('wasm');
  await tf.ready();
  return { kind: 'wasm', device: 'cpu', version: wasm.version_wasm, threads: 1, isa: 'wasm', processor: processorModel('cpu') };
}

/** tfjs-node 4.22 calls util.isNullOrUndefined, which Node 23 took away, and util.isArray, which warns. */
function restoreUtilities(): void {
  const util = process.getBuiltinModule('node:util') as {
    isNullOrUndefined?: (value: unknown) => boolean;
    isArray: (value: unknown) => boolean;
  };
  util.isNullOrUndefined ??= (value) => value === null || value === undefined;
  util.isArray = (value) => Array.isArray(value);
}

/** The set-up's reason for not having built the addon, if it left one. */
function whyNoAddon(): string | undefined {
  try {
    return readFileSync(resolve(import.meta.dirname, '../../node_modules/.pggan-no-addon'), 'utf8').trim();
  } catch {
    return undefined;
  }
}
