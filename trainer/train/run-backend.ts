/** The backend that a run trains on: the one it began with, so that its bits stay the same. */
import type { TrainingRun } from '../../crds/run.ts';
import { type Backend, prepareBackend } from '../backend/backend.ts';
import { bfloat16Warning, differences } from '../backend/determinism.ts';
import type { LoadedCheckpoint } from '../checkpoint/load-checkpoint.ts';

/** The backend that the run began with, where this machine has it; what differs is added to `warnings`. */
export async function prepareRunBackend(
  run: TrainingRun,
  restored: Pick<LoadedCheckpoint, 'state'> | undefined,
  warnings: string[],
): Promise<{ readonly backend: Backend; readonly mode: 'graph' | 'eager' }> {
  const recorded = (restored?.state.environment ?? {}) as Partial<Backend> & { readonly mode?: 'graph' | 'eager' };
  const threads = recorded.kind === 'native' ? (recorded.threads ?? run.threads) : run.threads;
  if (threads !== run.threads)
    warnings.push(`spec.threads is ${run.threads}, but this run began with ${threads} and keeps them: other threads give other bits`);
  const backend = await prepareBackend({
    threads,
    device: run.device ?? 'any',
    ...(recorded.isa === undefined ? {} : { isa: recorded.isa }),
    warn: (message) => warnings.push(message),
  });
  warnings.push(...differences(recorded, backend).map((difference) => `${difference}; the run goes on, but not to the same bits`));
  const warning = run.precision === 'BFloat16Mixed' ? bfloat16Warning(backend) : undefined;
  if (warning !== undefined) warnings.push(warning);
  const wanted = process.env['PGGAN_MODE'] === 'eager' || backend.kind === 'wasm' ? 'eager' : 'graph';
  const mode = recorded.mode === 'eager' || backend.kind === 'wasm' ? 'eager' : (recorded.mode ?? wanted);
  return { backend, mode };
}
