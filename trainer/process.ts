/** A trainer as the operator or the local driver starts it: reads PGGAN_RUN, serves its progress, ends with a code that says what happened. */
import { asError, PgganError } from '../crds/errors.ts';
import { PROGRESS_VERSION, type Progress } from '../crds/progress.ts';
import { POD_ENV, type PodCommand, podCommand } from '../crds/pod.ts';
import { parseRunDocument, type RunDocument } from '../crds/run.ts';
import { deleteRun } from './checkpoint/delete-run.ts';
import { openStore } from './checkpoint/open-store.ts';
import { type ReportServer, startServer } from './report/server.ts';
import { writeTermination } from './report/termination.ts';
import { runSynthesis } from './synthesis/synthesize.ts';
import { runPhase } from './train/run-phase.ts';
import { runPreflight } from './train/preflight.ts';
import type { StopRequest } from './train/stop.ts';

/** Does what PGGAN_RUN asks and returns the exit code; an error becomes the last progress document before it is thrown on. */
export async function runDocumentProcess(command: PodCommand, stop: StopRequest, print: (line: string) => void): Promise<number> {
  const run = parseRunDocument(process.env[POD_ENV.run], process.env[POD_ENV.shard]);
  if (podCommand(run) !== command)
    throw new PgganError('RunDocumentInvalid', `PGGAN_RUN holds a document for the command ${podCommand(run)}, not for ${command}`);
  const deadlineSeconds = run.kind === 'training' ? run.progressDeadlineSeconds : 3600;
  const server = await startServer({ port: run.port, host: run.port === 0 ? '127.0.0.1' : '0.0.0.0', deadlineSeconds });
  // The first line of a local trainer: with port 0 nobody else can know it.
  if (run.port === 0) print(JSON.stringify({ port: server.port }));
  let last = unstarted(run);
  const remembering: ReportServer = {
    ...server,
    update(progress) {
      last = progress;
      server.update(progress);
    },
  };
  try {
    return await perform(run, remembering, stop, print);
  } catch (thrown) {
    tellFailure(last, server, asError(thrown));
    throw thrown;
  } finally {
    await server.close();
  }
}

function perform(run: RunDocument, server: ReportServer, stop: StopRequest, print: (line: string) => void): Promise<number> {
  if (run.kind === 'synthesis') return runSynthesis(run, server, stop, print);
  switch (run.task.kind) {
    case 'preflight':
      return runPreflight(run, server, print);
    case 'deleteRun':
      return deleteRun(openStore(run.run.uri, { s3: run.store }), run.owner, stop, print);
    case 'train':
      return runPhase(run, run.task.resolution, { server, stop, print });
  }
}

function tellFailure(last: Progress, server: ReportServer, error: Error): void {
  const failure = { code: error instanceof PgganError ? error.code : 'Crashed', message: error.message.slice(0, 1024) };
  const progress: Progress = { ...last, state: 'Failed', failure, time: new Date().toISOString() };
  server.update(progress);
  writeTermination(progress);
}

function unstarted(run: RunDocument): Progress {
  const common = { version: PROGRESS_VERSION, state: 'Starting', time: new Date().toISOString() } as const;
  if (run.kind === 'synthesis') return { ...common, kind: 'synthesis', done: 0, wanted: run.count };
  // A deletion has nothing to tell but how it failed.
  if (run.task.kind !== 'train') return { ...common, kind: 'preflight', images: 0, complete: false };
  const { resolution } = run.task;
  return { ...common, kind: 'training', resolution, images: 0, phaseEndImages: 0, lod: 0, tick: 0, minibatch: 0, epochs: 0, attempt: 0 };
}
