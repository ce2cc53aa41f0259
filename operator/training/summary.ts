/** The whole status from what plan() decided and remembers. */
import { conditionsOf, type Verdict } from './conditions.ts';
import { countFates } from './counters.ts';
import type { Expectation, TrainingObject } from './expectation.ts';
import { completionTime, percentDone } from './figures.ts';
import type { Observed } from './observed.ts';
import type { Ledger } from './records.ts';
import type { TrainingStatus } from './status.ts';
import { failuresOf } from './task-record.ts';

/** `retry` is the value of the retry annotation, now handled. Absent fields are absent, so that equal states are equal objects. */
export function summarize(
  training: TrainingObject,
  wanted: Expectation,
  ledger: Ledger,
  seen: Observed,
  verdict: Verdict,
  retry: string | undefined,
  now: Date,
): TrainingStatus {
  const previous = training.status;
  const { spec, metadata } = training;
  const common = {
    observedGeneration: metadata.generation,
    conditions: conditionsOf(verdict, spec.suspend, previous?.conditions ?? [], metadata.generation, now),
    ...countFates(previous, seen.fates ?? []),
  };
  if (wanted.kind === 'invalid') {
    return previous ? { ...previous, ...common } : { ...common, preflight: ledger.preflight.record, phases: [], failures: 0, resumes: 0 };
  }
  const { phases, network } = wanted;
  const records = ledger.phases.map(({ record }) => record);
  const document = seen.progress?.document;
  const checkpoint = newer(newer(document?.checkpoint, previous?.checkpoint), seen.preflight?.checkpoint);
  const checkpointSeconds = document?.checkpointSeconds ?? previous?.checkpointSeconds;
  const completed = records.filter((record) => record.state === 'Complete').map((record) => record.endImages);
  const shown = Math.max(0, document?.images ?? 0, checkpoint?.images ?? 0, ...completed);
  const images = ledger.current ? shown : (phases.at(-1)?.endImages ?? 0);
  const resolution =
    ledger.current?.task.kind === 'train'
      ? ledger.current.task.resolution
      : (phases.find((phase) => phase.endImages > images) ?? phases.at(-1))?.resolution;
  const completion = ledger.current ? completionTime(seen, phases, network, previous?.estimatedCompletionTime, now) : undefined;
  const fingerprint = seen.preflight?.fingerprint ?? previous?.fingerprint;
  const datasetBytes = seen.preflight?.datasetBytes ?? previous?.datasetBytes;
  const lastHandledRetry = retry ?? previous?.lastHandledRetry;
  return {
    ...common,
    totalKimg: spec.totalKimg,
    progressPercent: percentDone(images, phases),
    preflight: ledger.preflight.record,
    phases: records,
    failures: [ledger.preflight.record, ...records].reduce((sum, record) => sum + failuresOf(record), 0),
    resumes: Math.max(previous?.resumes ?? 0, (document?.attempt ?? 1) - 1),
    ...(resolution !== undefined && { resolution }),
    ...(completion !== undefined && { estimatedCompletionTime: completion }),
    ...(checkpoint && { checkpoint }),
    ...(checkpointSeconds !== undefined && { checkpointSeconds }),
    ...(fingerprint !== undefined && { fingerprint }),
    ...(datasetBytes && { datasetBytes }),
    ...(lastHandledRetry !== undefined && { lastHandledRetry }),
  };
}

function newer(a: TrainingStatus['checkpoint'], b: TrainingStatus['checkpoint']): TrainingStatus['checkpoint'] {
  return a && (!b || a.images >= b.images) ? a : b;
}
