/** One phase of a run in one process: open, resume, train, save. Wiring; the decisions are in the files it names. */
import type { CheckpointRef } from '../../crds/progress.ts';
import { EXIT, PgganError } from '../../crds/errors.ts';
import type { TrainingRun } from '../../crds/run.ts';
import { type Moment, phases, scheduleAt } from '../../crds/schedule.ts';
import { type Backend, prepareBackend } from '../backend/backend.ts';
import { memoryLimit } from '../backend/memory-limit.ts';
import { differences } from '../backend/determinism.ts';
import { serializeSafetensors } from '../checkpoint/safetensors.ts';
import { createEventsWriter } from '../report/events.ts';
import { joinLogs, runLog } from '../report/run-log.ts';
import type { ReportServer } from '../report/server.ts';
import { checkMemory, phasesAhead } from './check-memory.ts';
import { createCheckpointer } from './checkpointer.ts';
import { renewLease } from './lease.ts';
import { type Position, programKey, START, trainLoop } from './loop.ts';
import { openRun, type OpenRun } from './open-run.ts';
import { createPictures } from './pictures.ts';
import { createRandom } from './random.ts';
import { createReporter } from './reporter.ts';
import { createSession, initialValues } from './session.ts';
import type { StopRequest } from './stop.ts';
import { startStopwatch } from './stopwatch.ts';
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
  const open = await openRun(run, true);
  try {
    const { dataset, options, restored, store, writer } = open;
    const warnings = [...open.warnings];
    const { backend, mode } = await prepare(run, open, warnings);
    // On WebAssembly nothing of the run may be too large; a pod's memory is that of this phase alone.
    const ahead = phasesAhead(run, restored?.manifest.images ?? open.origin?.images ?? 0);
    const own = ahead.filter((each) => backend.kind === 'wasm' || each.resolution === resolution);
    warnings.push(...checkMemory(own, backend, () => memoryLimit()));
    const history = restored ? await joinLogs(store, restored.manifest, (problem) => warnings.push(problem)) : {};
    for (const warning of warnings) print(`warning: ${warning}`);

    const random = createRandom(run.seed);
    const start = startOf(open);
    const session = createSession(
      options,
      mode,
      valuesOf(open, () => initialValues(options, random)),
    );
    const log = runLog(history, print);
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
      await watch.maintenance(() => pictures.reals());
      const moment = scheduleAt(run.schedule, start.images);
      session.enter(programKey(moment));
      await picture(start.images, moment);
    }
    const end = await trainLoop(run, resolution, { options, dataset, random }, session, start, {
      async stepped(position, moment) {
        reporter.stepped(position, moment);
        await lease.renew();
      },
      async tick(position, moment, sums) {
        reporter.tick(position, moment, sums);
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
      await store.write('snapshots/network-final.safetensors', serializeSafetensors(final.tensors, modelCard(run, open, position)));
    }
    const ref = await save(position, resolution);
    await pictures.losses();
    if (isLast) reporter.tell({ picture: await pictures.growth() });
    reporter.tell({ state: 'Complete', checkpoint: ref, images: position.images }, true);
    print(`phase ${resolution}x${resolution} complete after ${kimgText(position.images)} kimg`);
    session.dispose();
    return EXIT.complete;
  } finally {
    await open.close();
  }
}

/** The backend that the run began with, where this machine has it; what differs is added to `warnings`. */
async function prepare(
  run: TrainingRun,
  { restored }: OpenRun,
  warnings: string[],
): Promise<{ readonly backend: Backend; readonly mode: 'graph' | 'eager' }> {
  const recorded = (restored?.state.environment ?? {}) as Partial<Backend> & { readonly mode?: 'graph' | 'eager' };
  const threads = recorded.kind === 'native' ? (recorded.threads ?? run.threads) : run.threads;
  if (threads !== run.threads)
    warnings.push(`spec.threads is ${run.threads}, but this run began with ${threads} and keeps them: other threads give other bits`);
  const backend = await prepareBackend({
    threads,
    ...(recorded.isa === undefined ? {} : { isa: recorded.isa }),
    warn: (message) => warnings.push(message),
  });
  warnings.push(...differences(recorded, backend).map((difference) => `${difference}; the run goes on, but not to the same bits`));
  const wanted = process.env['PGGAN_MODE'] === 'eager' || backend.kind === 'wasm' ? 'eager' : 'graph';
  const mode = recorded.mode === 'eager' || backend.kind === 'wasm' ? 'eager' : (recorded.mode ?? wanted);
  return { backend, mode };
}

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

/** Metadata of the final network: what it is, and what it is not for. */
function modelCard(run: TrainingRun, { dataset, record }: OpenRun, position: Position): Readonly<Record<string, string>> {
  return {
    model: 'PG-GAN generator, averaged weights (Karras et al., ICLR 2018)',
    training: `${run.owner.namespace}/${run.owner.name}`,
    fingerprint: record.fingerprint,
    images: String(position.images),
    data:
      dataset.source.kind === 'phantom'
        ? 'phantoms: synthetic drawings of chest radiographs, no patients'
        : `${dataset.name}, ${dataset.images} images`,
    network: JSON.stringify({ ...run.network, resolution: run.schedule.resolution, labelSize: dataset.labelSize }),
    intendedUse: 'research; its images are synthetic and not for diagnosis',
  };
}

const kimgText = (images: number): string => (images / 1000).toFixed(1);
