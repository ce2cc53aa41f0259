/** The preflight of a run: dataset, options, store, fingerprint and memory are checked, the folder is claimed, and what is there is reported. */
import { EXIT, PgganError } from '../../crds/errors.ts';
import { type PreflightProgress, PROGRESS_VERSION } from '../../crds/progress.ts';
import type { TrainingRun } from '../../crds/run.ts';
import { expectedBackend } from '../backend/backend.ts';
import { memoryLimit } from '../backend/memory-limit.ts';
import { findNewestCheckpoint } from '../checkpoint/load-checkpoint.ts';
import { openStore } from '../checkpoint/open-store.ts';
import type { ReportServer } from '../report/server.ts';
import { writeTermination } from '../report/termination.ts';
import { checkMemory, phasesAhead } from './check-memory.ts';
import { type ClaimedRun, openClaimed, skippedText } from './open-run.ts';

/** Returns the exit code. No tensor is read. @throws {PgganError} what would end the training too; its differences are told first */
export async function runPreflight(run: TrainingRun, server: ReportServer, print: (line: string) => void): Promise<number> {
  // Before the folder is claimed: the answer to a refusal are other options, which would find a claim in their way.
  const warnings = await checkPhases(run);
  const claimed = await claimOrTell(run, server, print);
  try {
    const found = await findNewestCheckpoint(claimed.store);
    for (const warning of [...skippedText(found?.skipped ?? []), ...warnings]) print(`warning: ${warning}`);
    const images = found?.checkpoint.manifest.images ?? 0;
    const progress: PreflightProgress = {
      ...unanswered(),
      state: 'Complete',
      fingerprint: claimed.record.fingerprint,
      differences: [],
      images: found ? images : (claimed.origin?.images ?? 0),
      ...(found && { checkpoint: found.checkpoint.ref }),
      complete: images >= run.totalKimg * 1000,
      datasetBytes: Object.fromEntries([...claimed.dataset.bytes].map(([resolution, bytes]) => [String(resolution), bytes])),
      datasetImages: claimed.dataset.images,
    };
    server.update(progress);
    writeTermination(progress);
    print(`preflight: ${claimed.dataset.images} images, ${found ? `the run stands at ${(images / 1000).toFixed(1)} kimg` : 'a new run'}`);
    return EXIT.complete;
  } finally {
    await claimed.close();
  }
}

/** The memory of the phases still to be trained; the preflight's own pod is small and says nothing about theirs. */
async function checkPhases(run: TrainingRun): Promise<readonly string[]> {
  const { phaseMemory } = run.task.kind === 'preflight' ? run.task : {};
  if (phaseMemory === undefined) return [];
  const newest = await findNewestCheckpoint(openStore(run.run.uri, { s3: run.store }));
  const ahead = phasesAhead(run, newest?.checkpoint.manifest.images ?? (run.initFrom?.startKimg ?? 0) * 1000);
  // Should the phases' backend turn out to be another one, they look again.
  const backend = expectedBackend();
  if (phaseMemory === 'shared') return checkMemory(ahead, backend, () => memoryLimit());
  return checkMemory(ahead, backend, (resolution) => {
    const bytes = phaseMemory.find((phase) => phase.resolution === resolution)?.bytes;
    return bytes === undefined ? undefined : { bytes, source: 'the memory limit of its pod', freeBytes: undefined };
  });
}

/** Where the folder holds another run, the fields that differ are in the document that the failure becomes. */
async function claimOrTell(run: TrainingRun, server: ReportServer, print: (line: string) => void): Promise<ClaimedRun> {
  try {
    return await openClaimed(run, false, print);
  } catch (error) {
    if (error instanceof PgganError && error.code === 'FingerprintMismatch')
      server.update({ ...unanswered(), differences: [...error.details] });
    throw error;
  }
}

function unanswered(): PreflightProgress {
  return { version: PROGRESS_VERSION, kind: 'preflight', state: 'Starting', images: 0, complete: false, time: new Date().toISOString() };
}
