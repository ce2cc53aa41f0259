/** One phase of a run in one process: open, resume, train, save. Wiring; the decisions are in the files it names. */
import type { CheckpointRef } from '../../crds/progress.ts';
import { EXIT, PgganError } from '../../crds/errors.ts';
import type { TrainingRun } from '../../crds/run.ts';
import { type Moment, phases, scheduleAt } from '../../crds/schedule.ts';
import { memoryLimit } from '../backend/memory-limit.ts';
import { serializeSafetensors } from '../checkpoint/safetensors.ts';
import type { Dataset } from '../data/dataset.ts';
import { layerTable } from '../networks/layer-table.ts';
import { modelFacts } from '../export/model-facts.ts';
import { createEventsWriter } from '../report/events.ts';
import { joinLogs, runLog } from '../report/run-log.ts';
import type { ReportServer } from '../report/server.ts';
import { checkMemory, phasesAhead } from './check-memory.ts';
import { createCheckpointer } from './checkpointer.ts';
import { openFeedStream } from './feed-stream.ts';
import { renewLease } from './lease.ts';
import { type Position, programKey, START, trainLoop } from './loop.ts';
import { openRun, type OpenRun } from './open-run.ts';
import { createPictures } from './pictures.ts';
import { createRandom } from './random.ts';
import { createReporter } from './reporter.ts';
import { prepareRunBackend } from './run-backend.ts';
import { createSession, initialValues } from './session.ts';
import type { StopRequest } from './stop.ts';
import { startStopwatch } from './stopwatch.ts';
import { createTickMetrics, type TickMetrics } from './tick-metrics.ts';
import { fromTensorFiles, toTensorFiles } from './tensor-files.ts';
import { TENSOR_FILES } from '../checkpoint/format.ts';

export type PhaseIo = {
  readonly server: ReportServer;
  readonly stop: StopRequest;
  /** Receives the lines of the log and remarks that belong in no log. */
  readonly print: (line: string) => void;
};

/** Trains the phase of `resolution` to its end, or until a stop is requested. Returns the exit code. @throws {PgganError} */
export async function runPhase(run: TrainingRun, resolution: number, { server, stop, print }: PhaseIo): Promise<number> {
  const phase = phases(run.schedule, run.totalKimg).find((candidate) => candidate.resolution === resolution);
  if (!phase) throw new PgganError('OptionsInvalid', `the schedule has no phase for ${resolution}x${resolution}`);
  const reporter = createReporter({ server, resolution, phaseEndImages: phase.endImages, now: () => new Date() });
  const open = await openRun(run, true, print);
  const start = startOf(open);
  const { dataset, options, restored, store, writer } = open;
  const feeds = openFeedStream({ plan: run, resolution, start, options, dataset: fed(dataset), files: dataset.files });
  let metrics: TickMetrics | undefined;
  try {
    const warnings = [...open.warnings];
    const { backend, mode } = await prepareRunBackend(run, restored, warnings);
    // On WebAssembly nothing of the run may be too large; a pod's memory is that of this phase alone.
    const ahead = phasesAhead(run, restored?.manifest.images ?? open.origin?.images ?? 0);
    const own = ahead.filter((each) => backend.kind === 'wasm' || each.resolution === resolution);
    warnings.push(...checkMemory(own, backend, () => memoryLimit()));
    for (const warning of warnings) print(`warning: ${warning}`);

    const random = createRandom(run.seed);
    const session = createSession(
      options,
      mode,
      valuesOf(open, () => initialValues(options, random)),
    );
    const log = runLog(restored ? await joinLogs(store, restored.manifest) : {}, print);
    const seconds = { total: restored?.state.secondsTrained ?? 0, tickStart: restored?.state.secondsAtTickStart ?? 0 };
    const watch = startStopwatch(seconds, () => performance.now() / 1000);
    const events = await createEventsWriter(store, {
      // A tick that ended with the checkpoint was reported before it was saved.
      firstStep: restored ? start.images + 1 : start.images,
      attempt: writer.attempt,
      now: () => new Date(),
      guard: () => writer.check(),
    });
    const checkpointer = createCheckpointer({ run, open, session, log, watch, environment: { ...backend, mode } });
    const pictures = createPictures(run, store, dataset, options, random);
    let imagesAtTickStart = start.imagesAtTickStart;
    reporter.trainingStarts({ log, events, watch, datasetImages: dataset.images, imagesAtTickStart: () => imagesAtTickStart });
    reporter.tell(
      {
        images: start.images,
        attempt: writer.attempt,
        epochs: start.images / dataset.images,
        ...(restored ? { resumedFrom: restored.ref, checkpoint: restored.ref } : {}),
        ...(warnings.length > 0 ? { warnings: warnings.slice(0, 8).map((warning) => warning.slice(0, 512)) } : {}),
      },
      true,
    );
    if (restored) print(`resuming after ${kimgText(restored.manifest.images)} kimg, from ${restored.ref.uri}`);
    const lease = renewLease(writer);

    metrics = createTickMetrics({ run, dataset, options, session, alive: () => lease.renew() });

    const save = (position: Position, phaseEnd?: number): Promise<CheckpointRef> =>
      watch.maintenance(async () => {
        reporter.tell({ state: 'Checkpointing' });
        await events.flush();
        const { ref } = await checkpointer.save(position, phaseEnd);
        reporter.tell({ checkpoint: ref }, true);
        return ref;
      });
    const picture = (images: number, moment: Moment): Promise<void> =>
      watch.maintenance(async () => reporter.tell({ picture: await pictures.fakes(session, images, moment) }));

    if (start.images === (open.origin?.images ?? 0)) {
      for (const network of ['G', 'D'] as const) print(`${layerTable(network, options.shape)}\n`);
      await watch.maintenance(() => pictures.reals());
      const moment = scheduleAt(run.schedule, start.images);
      session.enter(programKey(moment));
      await picture(start.images, moment);
    }
    const end = await trainLoop(run, resolution, feeds, session, start, {
      async stepped(position, moment) {
        reporter.stepped(position, moment);
        await lease.renew();
      },
      async tick(position, moment, sums) {
        const measured = await watch.maintenance(async () => metrics?.at(position, moment));
        if (measured) checkpointer.measured(position.images, measured);
        reporter.tick(position, moment, sums, measured);
        imagesAtTickStart = position.imagesAtTickStart;
        await watch.maintenance(() => events.flushSometimes());
        await picture(position.images, moment);
      },
      checkpointDue: (position) => checkpointer.due(position),
      checkpoint: async (position) => {
        await save(position);
      },
      stopRequested: () => stop.requested,
    });

    const { position } = end;
    if (end.reason === 'stopRequested') {
      if (position.images > (checkpointer.newest?.manifest.images ?? 0)) await save(position);
      reporter.tell(
        { state: 'Stopped', failure: { code: 'Interrupted', message: `stopped on request (${stop.reason}) after saving` } },
        true,
      );
      print(`stopped on request (${stop.reason}); saved after ${kimgText(position.images)} kimg`);
      return EXIT.stopped;
    }
    const last = scheduleAt(run.schedule, position.imagesAtIterationStart);
    session.enter(programKey(last));
    await picture(position.images, last);
    const isLast = position.images >= run.totalKimg * 1000;
    // Before the checkpoint that makes the run complete: nobody would come back for it afterwards.
    if (isLast) {
      const final = toTensorFiles(options.shape, session.snapshot())['generator-ema'];
      const facts = modelFacts({ record: open.record, run, shape: options.shape, images: position.images, lod: last.lod });
      await store.write('snapshots/network-final.safetensors', serializeSafetensors(final.tensors, facts));
    }
    const ref = await save(position, resolution);
    await pictures.losses();
    if (isLast) reporter.tell({ picture: await pictures.growth() });
    reporter.tell({ state: 'Complete', checkpoint: ref, images: position.images }, true);
    print(
      `phase ${resolution}x${resolution} complete after ${kimgText(position.images)} kimg; steps waited ${feeds.waitedSeconds().toFixed(1)} s for images`,
    );
    session.dispose();
    return EXIT.complete;
  } finally {
    await metrics?.dispose();
    await feeds.close();
    await open.close();
  }
}

/** What the feeds need of a dataset, as plain data. */
const fed = ({ images, channels, labelSize, labels }: Dataset) => ({ images, channels, labelSize, ...(labels ? { labels } : {}) });

function startOf({ restored, origin }: OpenRun): Position {
  if (!restored) {
    const images = origin?.images ?? 0;
    return { ...START, images, imagesAtIterationStart: images, imagesAtTickStart: images };
  }
  const { images, imagesAtIterationStart, repeatIndex, previousLod, adamStep, tick, imagesAtTickStart, tickSums } = restored.state;
  return { images, imagesAtIterationStart, repeatIndex, previousLod, adamStep, tick, imagesAtTickStart, tickSums };
}

/** Values of all variables: from the checkpoint, or new ones, with the weights of the run that this one is forked from. */
function valuesOf(
  { restored, origin, options }: OpenRun,
  initial: () => ReadonlyMap<string, Float32Array>,
): ReadonlyMap<string, Float32Array> {
  if (restored) return fromTensorFiles(options.shape, restored, TENSOR_FILES);
  if (!origin) return initial();
  return new Map([...initial(), ...fromTensorFiles(options.shape, origin.checkpoint, ['generator', 'discriminator', 'generator-ema'])]);
}

const kimgText = (images: number): string => (images / 1000).toFixed(1);
