/** Small checkpoints and folders for tests. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { CheckpointContent, Guard } from './checkpoint.ts';
import { type CheckpointState, TENSOR_FILES, type TensorFiles } from './format.ts';
import { storedFloats } from './safetensors.ts';

export const mayWrite: Guard = async () => undefined;

/** A folder that is removed after the test. */
export async function temporaryFolder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'pggan-run-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** A checkpoint after `images` images whose tensors are all filled with `value`. */
export function someCheckpoint(images: number, value: number, more: Partial<CheckpointContent> = {}): CheckpointContent {
  const time = new Date('2026-01-01T00:00:00.000Z');
  return { images, files: someFiles(value), state: someState(images), logs: { 'log.txt': `tick at ${images}\n` }, time, ...more };
}

export function someState(images: number): CheckpointState {
  return {
    images,
    imagesAtIterationStart: images,
    repeatIndex: 0,
    previousLod: images === 0 ? null : 1.25,
    adamStep: { generator: 3, discriminator: 3 },
    tick: 1,
    imagesAtTickStart: 0,
    tickSums: { generator: { sum: 0.1 + 0.2, count: 3 } },
    secondsTrained: 1.5,
    secondsAtTickStart: 0,
    nextSnapshots: { pictureTick: 2 },
    attempt: 1,
    environment: { backend: 'native', threads: 2 },
  };
}

function someFiles(value: number): TensorFiles {
  const tensors = () =>
    new Map([
      ['4x4/Dense/weight', storedFloats([2, 3], new Float32Array(6).fill(value))],
      ['4x4/Dense/bias', storedFloats([3], new Float32Array(3).fill(-value))],
    ]);
  return Object.fromEntries(TENSOR_FILES.map((name) => [name, { tensors: tensors() }])) as unknown as TensorFiles;
}
