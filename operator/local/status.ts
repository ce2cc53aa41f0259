/** `pggan status`: where a run stands, read from its folder. Nothing is driven, nothing is written. */
import { PgganError } from '../../crds/errors.ts';
import { pictures, shown } from './finish.ts';
import { driverOf } from './lock.ts';
import { readState, type RunState, type TrainingState } from './state.ts';
import { barLine, joined, shareDone, synthesisParts, trainingParts } from './words.ts';

/** The text of `pggan status`. @throws {PgganError} UsageInvalid where no run was started */
export function statusText(folder: string, json: boolean, columns = 200): string {
  const state = readState(folder);
  if (!state)
    throw new PgganError('UsageInvalid', `${folder} holds no run of pggan start: name a run folder such as runs/default/quickstart`);
  const driver = driverOf(folder);
  if (json) return JSON.stringify({ ...state, driver: driver === undefined ? null : { pid: driver } }, undefined, 2);
  return [
    ...heading(state, driver),
    ...(state.kind === 'PGGANTraining' ? trainingTable(state, folder, driver !== undefined, columns) : [joined(synthesisParts(state))]),
  ].join('\n');
}

function heading({ kind, namespace, name, status, updated }: RunState, driver: number | undefined): readonly string[] {
  const telling = ['Stalled', 'Succeeded', 'Progressing'] as const;
  const found = telling.flatMap(
    (type) => status?.conditions.find((condition) => condition.type === type && condition.status === 'True') ?? [],
  );
  const [now] = found;
  const of = `${kind} ${namespace}/${name}:`;
  if (driver !== undefined)
    return [`${of} ${now?.reason ?? 'Waiting'} (driven by process ${driver}, as of ${moment(updated)})`, ...(now ? [now.message] : [])];
  if (!now || now.type === 'Progressing') return [`${of} Stopped (since ${moment(updated)}); start it again to go on`];
  return [`${of} ${now.reason} (since ${moment(updated)})`, now.message];
}

function trainingTable(state: TrainingState, folder: string, isDriven: boolean, columns: number): readonly string[] {
  const { status, progress, spec, data, run } = state;
  const rows = (status?.phases ?? []).map(({ resolution, state, endImages, losses }) => {
    const loss = losses ? `loss G ${losses.generator.toFixed(2)} D ${losses.discriminator.toFixed(2)}` : '';
    return `  ${`${resolution}x${resolution}`.padEnd(10)}${(state === 'Running' && !isDriven ? 'Stopped' : state).padEnd(10)}to ${(endImages / 1000).toFixed(1).padStart(8)} kimg  ${loss}`.trimEnd();
  });
  const live = progress ? [barLine(shareDone(progress, spec), trainingParts(progress, spec), columns)] : [];
  const newest = pictures({ uri: state.run, folder }, state).map((file) => `  ${file}`);
  const checkpoint = status?.checkpoint
    ? [`Newest checkpoint: ${(status.checkpoint.images / 1000).toFixed(1)} kimg, ${moment(status.checkpoint.time)}`]
    : [];
  return [
    `Data: ${data}`,
    ...(run.startsWith('s3://') ? [`Run: ${run}`] : []),
    ...live,
    ...rows,
    ...checkpoint,
    ...(newest.length > 0 ? ['Pictures:', ...newest] : []),
    `Log: ${shown(folder)}/trainer.log`,
  ];
}

/** 2026-11-25 23:48 UTC */
const moment = (time: string): string => `${time.slice(0, 16).replace('T', ' ')} UTC`;
