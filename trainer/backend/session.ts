/** A TensorFlow session over a graph of our own, loaded through the one door that the addon has for graphs: a SavedModel in a folder. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NativeBackend, TensorMetadata } from './native.ts';
import { type NodeDef, savedModel } from './protobuf.ts';

export interface Session {
  /** Feeds native tensors to nodes and fetches the first outputs of others; the caller deletes what it gets. */
  run(feeds: readonly (readonly [node: string, id: number])[], fetches: readonly string[]): readonly TensorMetadata[];
  dispose(): void;
}

export function loadSession(backend: NativeBackend, nodes: readonly NodeDef[]): Session {
  const { binding } = backend;
  let id: number | undefined = load(backend, savedModel(nodes));
  return {
    run(feeds, fetches) {
      if (id === undefined) throw new Error('the program was disposed of');
      const names = feeds.map(([node]) => `${node}:0`).join(',');
      return binding.runSavedModel(
        id,
        feeds.map(([, tensor]) => tensor),
        names,
        fetches.map((node) => `${node}:0`).join(','),
      );
    },
    dispose() {
      if (id !== undefined) binding.deleteSavedModel(id);
      id = undefined;
    },
  };
}

function load(backend: NativeBackend, model: Buffer): number {
  const folder = mkdtempSync(join(tmpdir(), 'pggan-graph-'));
  try {
    writeFileSync(join(folder, 'saved_model.pb'), model);
    return backend.binding.loadSavedModel(folder, 'serve');
  } finally {
    rmSync(folder, { recursive: true });
  }
}
