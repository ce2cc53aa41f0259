/** The preflight of a run: dataset, options, store and fingerprint are checked, the folder is claimed, and what is there is reported. */
import { EXIT } from '../../crds/errors.ts';
import { type PreflightProgress, PROGRESS_VERSION } from '../../crds/progress.ts';
import type { TrainingRun } from '../../crds/run.ts';
import type { ReportServer } from '../report/server.ts';
import { writeTermination } from '../report/termination.ts';
import { openRun } from './open-run.ts';

/** Returns the exit code. @throws {PgganError} what would end the training too */
export async function runPreflight(run: TrainingRun, server: ReportServer, print: (line: string) => void): Promise<number> {
  const open = await openRun(run, false);
  try {
    for (const warning of open.warnings) print(`warning: ${warning}`);
    const images = open.restored?.manifest.images ?? 0;
    const progress: PreflightProgress = {
      version: PROGRESS_VERSION,
      kind: 'preflight',
      state: 'Complete',
      fingerprint: open.record.fingerprint,
      images: open.restored ? images : (open.origin?.images ?? 0),
      complete: images >= run.totalKimg * 1000,
      datasetBytes: Object.fromEntries([...open.dataset.bytes].map(([resolution, bytes]) => [String(resolution), bytes])),
      datasetImages: open.dataset.images,
      time: new Date().toISOString(),
    };
    server.update(progress);
    writeTermination(progress);
    print(
      `preflight: ${open.dataset.images} images, ${images === 0 ? 'a new run' : `the run stands at ${(images / 1000).toFixed(1)} kimg`}`,
    );
    return EXIT.complete;
  } finally {
    await open.close();
  }
}
