/** One phase of a run in one process: open, resume, train, save. Wiring; the decisions are in the files it names. */
import { EXIT, PgganError } from '../../crds/errors.ts';
import type { SavedCheckpoint } from '../../crds/progress.ts';
import type { TrainingRun } from '../../crds/run.ts';
import { type Moment, phases, scheduleAt } from '../../crds/schedule.ts';
import { memoryLimit } from '../backend/memory-limit.ts';
import { bytesOf, type CommittedCheckpoint } from '../checkpoint/format.ts';
import { patiently, patientStore, realPatience } from '../checkpoint/patience.ts';
import type { Dataset } from '../data/dataset.ts';
import { modelFacts } from '../export/model-facts.ts';
import { layerTable } from '../networks/layer-table.ts';
import { createEventsWriter } from '../report/events.ts';
import { joinLogs, METRICS, runLog } from '../report/run-log.ts';
import type { ReportServer } from '../report/server.ts';
import { startOf, startValues } from './begin.ts';
import { checkMemory, phasesAhead } from './check-memory.ts';
import { createCheckpointer } from './checkpointer.ts';
import { type FeedStream, openFeedStream } from './feed-stream.ts';
import { programKey, trainLoop } from './loop.ts';
import { openRun, type OpenRun } from './open-run.ts';
import { createPictures } from './pictures.ts';
import { createRandom } from './random.ts';
import { createReporter } from './reporter.ts';
import { prepareRunBackend } from './run-backend.ts';
import { createSavePoints, kimgText, unlessStopping } from './save-points.ts';
import { createSession } from './session.ts';
import type { StopRequest } from './stop.ts';
import { startStopwatch } from './stopwatch.ts';
import { createTickMetrics } from './tick-metrics.ts';

export type PhaseIo = {
  readonly server: ReportServer;
  readonly stop: StopRequest;
  /** Receives the lines of the log and remarks that belong in no log. */
  readonly print: (line: string) => void;
};

/** Trains the phase of `resolution` to its end, or until a stop is requested. Returns the exit code. @throws {PgganError} */
export async function runPhase(run: TrainingRun, resolution: number, io: PhaseIo): Promise<number> {
  const phase = phases(run.schedule, run.totalKimg).find((candidate) => candidate.resolution === resolution);
  if (!phase) throw new PgganError('OptionsInvalid', `the schedule has no phase for ${resolution}x${resolution}`);
  const reporter = createReporter({ server: io.server, resolution, phaseEndImages: phase.endImages, now: () => new Date() });
  const open = await openRun(run, io.print, () => io.stop.requested);
  const { options, dataset } = open;
  const feeds = openFeedStream({ plan: run, resolution, start: startOf(open), options, dataset: fed(dataset), files: dataset.files });
  try {
    return await trainPhase(run, resolution, { open, feeds, reporter }, io);
  } finally {
    await feeds.close();
    await open.close();
  }
}

async function trainPhase(
  run: TrainingRun,
  resolution: number,
  { open, feeds, reporter }: { readonly open: OpenRun; readonly feeds: FeedStream; readonly reporter: ReturnType<typeof createReporter> },
  { stop, print }: PhaseIo,
): Promise<number> {
  const { dataset, options, restored, writer } = open;
  const warnings = [...open.warnings];
  const { backend, mode } = await prepareRunBackend(run, restored, warnings);
  // On WebAssembly nothing of the run may be too large; a pod's memory is that of this phase alone.
  const ahead = phasesAhead(run, restored?.manifest.images ?? open.origin?.images ?? 0);
  const own = ahead.filter((each) => backend.kind === 'wasm' || each.resolution === resolution);
  warnings.push(...checkMemory(own, backend, () => memoryLimit()));
  const history = restored ? await joinLogs(open.store, restored.manifest, (problem) => warnings.push(problem)) : {};
  for (const warning of warnings) print(`warning: ${warning}`);

  const patience = realPatience(
    (reason) => reporter.waiting(reason),
    () => stop.requested,
  );
  const guard = (): Promise<void> => patiently(() => writer.check(), patience);
  const store = patientStore(open.store, guard, patience);
  const random = createRandom(run.seed);
  const start = startOf(open);
  const session = createSession(options, mode, startValues(options, open.takeTensors(), random));
  const log = runLog(history, print);
  const seconds = { total: restored?.state.secondsTrained ?? 0, tickStart: restored?.state.secondsAtTickStart ?? 0 };
  const watch = startStopwatch(seconds, () => performance.now() / 1000);
  const events = await createEventsWriter(store, {
    // A tick that ended with the checkpoint was reported before it was saved.
    firstStep: restored ? start.images + 1 : start.images,
    attempt: writer.attempt,
    now: () => new Date(),
    guard,
  });
  const checkpointer = createCheckpointer({
    run,
    open,
    session,
    log,
    watch,
    environment: { ...backend, mode },
    stop,
    committed: (checkpoint, saveSeconds) =>
      reporter.tell(
        { checkpoint: told(checkpoint), ...(saveSeconds !== undefined && { checkpointSeconds: Math.round(saveSeconds * 1000) / 1000 }) },
        true,
      ),
    waiting: (reason) => reporter.waiting(reason),
    remark: print,
  });
  const goOn = (): boolean => {
    checkpointer.check();
    return !stop.requested;
  };
  const metrics = createTickMetrics({ run, dataset, options, session, goOn });
  try {
    const pictures = createPictures(run, store, dataset, options, random);
    let imagesAtTickStart = start.imagesAtTickStart;
    reporter.trainingStarts({ log, events, watch, datasetImages: dataset.images, imagesAtTickStart: () => imagesAtTickStart });
    reporter.tell(
      {
        images: start.images,
        attempt: writer.attempt,
        epochs: start.images / dataset.images,
        ...(restored ? { resumedFrom: restored.ref, checkpoint: told(restored) } : {}),
        ...(warnings.length > 0 ? { warnings: warnings.slice(0, 8).map((warning) => warning.slice(0, 512)) } : {}),
      },
      true,
    );
    if (restored) print(`resuming after ${kimgText(restored.manifest.images)} kimg, from ${restored.ref.uri}`);

    const points = createSavePoints({ checkpointer, events, reporter, watch, stop, print });
    const picture = (images: number, moment: Moment): Promise<void> =>
      watch.maintenance(async () => reporter.tell({ picture: await pictures.fakes(session, images, moment) }));
    if (start.images === (open.origin?.images ?? 0)) {
      for (const network of ['G', 'D'] as const) print(`${layerTable(network, options.shape)}\n`);
      await watch.maintenance(() => pictures.reals());
      const moment = scheduleAt(run.schedule, start.images);
      session.enter(programKey(moment));
      await picture(start.images, moment);
      // From then on a fork needs nothing of the run that it came from.
      if (open.origin) await points.begin(start);
    }
    const end = await trainLoop(run, resolution, feeds, session, start, {
      async stepped(position, moment) {
        reporter.stepped(position, moment);
        checkpointer.check();
        await points.roomForMore();
      },
      async tick(position, moment, sums) {
        const measured = await watch.maintenance(async () => metrics?.at(position, moment));
        if (measured) checkpointer.measured(position.images, measured);
        reporter.tick(position, moment, sums, measured);
        imagesAtTickStart = position.imagesAtTickStart;
        await unlessStopping(stop, async () => {
          await watch.maintenance(() => events.flushSometimes());
          await picture(position.images, moment);
        });
      },
      checkpointDue: (position) => checkpointer.due(position),
      checkpoint: (position) => unlessStopping(stop, () => points.begin(position)),
      stopRequested: () => stop.requested,
    });
    if (end.reason === 'stopRequested') return await points.leave(end.position);

    const { position } = end;
    const last = scheduleAt(run.schedule, position.imagesAtIterationStart);
    const isLast = position.images >= run.totalKimg * 1000;
    // Before the checkpoint that completes the phase: nobody would come back for them afterwards.
    const drawn = await unlessStopping(stop, async () => {
      session.enter(programKey(last));
      await picture(position.images, last);
      await watch.maintenance(() => pictures.losses(log.whole()[METRICS] ?? ''));
      if (isLast) await watch.maintenance(async () => reporter.tell({ picture: await pictures.growth(session, position.images, last) }));
      return true;
    });
    const facts = { record: open.record, run, shape: options.shape, images: position.images, lod: last.lod };
    const saved = await points.finish(position, { phaseEnd: resolution, ...(isLast && { finalNetwork: modelFacts(facts) }) });
    if (!drawn) print('warning: the store took no pictures of the end of this phase: the checkpoint is complete without them');
    if (!drawn || saved.kind === 'staged') return await points.leave(position, saved);
    reporter.tell({ state: 'Complete', images: position.images }, true);
    print(
      `phase ${resolution}x${resolution} complete after ${kimgText(position.images)} kimg; steps waited ${feeds.waitedSeconds().toFixed(1)} s for images`,
    );
    session.dispose();
    return EXIT.complete;
  } finally {
    await metrics?.dispose();
    await checkpointer.close();
  }
}

const told = ({ ref, manifest }: CommittedCheckpoint): SavedCheckpoint => ({ ...ref, bytes: bytesOf(manifest) });

/** What the feeds need of a dataset, as plain data. */
const fed = ({ images, channels, labelSize, labels }: Dataset) => ({ images, channels, labelSize, ...(labels ? { labels } : {}) });
