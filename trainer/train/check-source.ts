/** Refuses a fork of a run whose networks are others, before it waits for a node. */
import { PgganError } from '../../crds/errors.ts';
import type { TrainingRun } from '../../crds/run.ts';
import { describedNetworks } from '../checkpoint/described.ts';
import { readRun } from '../checkpoint/run-folder.ts';
import type { Store } from '../checkpoint/store.ts';
import { discriminatorWeights, generatorWeights, type NetworkShape } from '../networks/weights.ts';

/**
 * Weights can be taken over where all tensors have the same names and shapes; options that change neither may differ.
 * @param source the run folder that `initFrom` names
 * @throws {PgganError} OptionsInvalid, with the fields that differ; CheckpointInvalid where the source does not say what it is
 */
export async function checkSource({ network, schedule, initFrom }: TrainingRun, source: Store): Promise<void> {
  const record = await readRun(source);
  if (!record || !initFrom) return;
  const there = describedNetworks(record, source.uri);
  // Labels are the dataset's: those of the source are not known without its tensors.
  const ours = { ...network, resolution: schedule.resolution, labelSize: 0 };
  const theirs = { ...there.network, resolution: there.resolution, labelSize: 0 };
  if (tensors(ours) === tensors(theirs)) return;
  const fields = (Object.keys(ours) as (keyof typeof ours)[]).filter((field) => ours[field] !== theirs[field]);
  const differing = fields.map((field) => {
    const path = field === 'resolution' ? 'spec.resolution' : `spec.network.${field}`;
    return `${path} is ${ours[field]} here and ${theirs[field]} there`;
  });
  throw new PgganError(
    'OptionsInvalid',
    `spec.initFrom: the networks of ${source.uri} are of another size (${differing.join('; ')}): use its values, or train from random weights`,
    { details: differing },
  );
}

function tensors(shape: NetworkShape): string {
  return JSON.stringify(
    [generatorWeights(shape), discriminatorWeights(shape)].map((specs) => specs.map(({ name, shape: size }) => [name, size])),
  );
}
