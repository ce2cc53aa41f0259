import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import type { Backend } from './backend.ts';

/** Runs a script in a process of its own, since a process has one backend for its lifetime. */
async function script(body: string, env: NodeJS.ProcessEnv = {}): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const prelude = `
    const { prepareBackend } = await import('./trainer/backend/backend.ts');
    const { memoryUse } = await import('./trainer/backend/memory.ts');
    const { runPenalty } = await import('./trainer/backend/test-programs.ts');
    const codeOf = async (work) => { try { await work(); } catch (error) { return error.code + ': ' + error.message; } };
    const print = (value) => process.stdout.write(JSON.stringify(value));`;
  return await promisify(execFile)(process.execPath, ['--input-type=module', '-e', prelude + body], {
    cwd: new URL('../..', import.meta.url),
    env: { ...process.env, ...env },
  });
}

test('the native backend says what the bits of a run depend on', async () => {
  const { stdout } = await script(`print(await prepareBackend({ threads: 2, want: 'native', isa: 'AVX2' }));`, {
    ONEDNN_MAX_CPU_ISA: undefined,
  });
  const backend = JSON.parse(stdout) as Backend;
  assert.deepEqual({ kind: backend.kind, threads: backend.threads, isa: backend.isa }, { kind: 'native', threads: 2, isa: 'AVX2' });
  assert.match(backend.version, /^2\.\d+\.\d+$/);
  assert.notEqual(backend.processor, '');
});

for (const backend of ['native', 'wasm'] as const) {
  test(`${backend} trains without a banner or a warning`, async () => {
    const { stdout, stderr } = await script(
      `await prepareBackend({ threads: 2, want: '${backend}' }); print(runPenalty('eager', 1).losses.length);`,
    );
    assert.equal(stdout, '1');
    assert.equal(stderr, '');
  });
}

test('a GPU that was promised but is not there is refused, natively and with wasm', async () => {
  for (const want of ['native', 'wasm']) {
    const { stdout } = await script(`print(await codeOf(() => prepareBackend({ threads: 2, want: '${want}', device: 'gpu' })));`, {
      CUDA_VISIBLE_DEVICES: '-1',
    });
    assert.match(JSON.parse(stdout) as string, /^BackendUnavailable: a GPU was asked for, but the (native|wasm) backend found none/);
  }
});

test('other threads in the same process are refused, on wasm the same ones are not', async () => {
  const { stdout } = await script(`
    await prepareBackend({ threads: 2, want: 'wasm' });
    await prepareBackend({ threads: 2, want: 'wasm' });
    print(await codeOf(() => prepareBackend({ threads: 3 })));`);
  assert.match(JSON.parse(stdout) as string, /^BackendUnavailable: this process computes with 2 threads, not 3/);
});

test('PGGAN_BACKEND must name a backend', async () => {
  const { stdout } = await script(`print(await codeOf(() => prepareBackend({ threads: 1 })));`, { PGGAN_BACKEND: 'webgl' });
  assert.match(JSON.parse(stdout) as string, /^BackendUnavailable: PGGAN_BACKEND is 'webgl'/);
});

test('memory in use counts tensors and native handles, and never exceeds its peak', async () => {
  const { stdout } = await script(`
    await prepareBackend({ threads: 2, want: 'native' });
    const before = memoryUse();
    const { program } = runPenalty('eager', 1);
    const during = memoryUse();
    program.dispose();
    print([before, during, memoryUse()]);`);
  const [before, during, after] = JSON.parse(stdout) as Record<string, number>[];
  assert.ok(during!['nativeHandles']! > before!['nativeHandles']!);
  assert.equal(after!['nativeHandles'], before!['nativeHandles']);
  assert.equal(after!['tensors'], before!['tensors']);
  assert.ok(after!['peakResidentBytes']! >= before!['residentBytes']!);
});
