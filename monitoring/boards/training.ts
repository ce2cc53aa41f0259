/** The board of one training: where it stands, what its losses do, how fast it is, and what has hindered it. */
import { lastSafe, ofCurrentResolution, STORE_REASONS } from '../queries.ts';
import { board, type Board, linkTo, marksAt, variable } from './board.ts';
import { type Block, figure, lines, overKimg, table } from './panels.ts';

export const TRAINING_UID = 'pggan-training';
export const FLEET_UID = 'pggan-fleet';

const OF = '{namespace="$namespace", name="$training"}';
const of = (metric: string, more = ''): string => `${metric}{namespace="$namespace", name="$training"${more === '' ? '' : `, ${more}`}}`;
const one = (metric: string, more = ''): string => `max(${of(metric, more)})`;
const by = (label: string, metric: string, more = ''): string => `max by (${label}) (${of(metric, more)})`;
/** Of the resolution in training, so that each resolution's line ends with its phase. */
const current = (label: string, metric: string, more = ''): string => `max by (${label}) (${of(metric, more)} ${ofCurrentResolution(OF)})`;

const KIMG = one('pggan_training_kimg');
const SIZE = '{{resolution}}x{{resolution}}';

export function trainingBoard(): Board {
  return board({
    uid: TRAINING_UID,
    title: 'PGGAN / Training',
    description: 'One PGGANTraining: losses per resolution, speed, checkpoints, and what hindered it.',
    variables: [
      variable('namespace', 'Namespace', 'label_values(pggan_training_info, namespace)'),
      variable('training', 'Training', 'label_values(pggan_training_info{namespace="$namespace"}, name)'),
    ],
    annotations: [
      marksAt('Phase begins', 'blue', by('resolution', 'pggan_training_phase_start_timestamp_seconds'), `${SIZE} begins`),
      marksAt('Phase complete', 'green', by('resolution', 'pggan_training_phase_completion_timestamp_seconds'), `${SIZE} is complete`),
    ],
    links: [linkTo('Fleet', FLEET_UID)],
    rows: [
      { title: 'Where it stands', blocks: standing() },
      { title: 'Losses', blocks: losses() },
      { title: 'Speed and progress', blocks: speed() },
      { title: 'Checkpoints and store', blocks: checkpoints() },
      { title: 'Phases, failures and waits', blocks: trouble() },
    ],
  });
}

function standing(): readonly Block[] {
  const age = `time() - ${lastSafe(OF)}`;
  const late = [
    { color: 'green', value: null },
    { color: 'orange', value: 7200 },
  ];
  return [
    figure({ title: 'State', description: 'The word that the page of states has for it.' }, by('reason', 'pggan_training_reason'), {
      legend: '{{reason}}',
    }),
    figure(
      { title: 'Progress', description: 'Images shown, as a part of those wanted.', unit: 'percentunit' },
      one('pggan_training_progress_ratio'),
    ),
    figure(
      { title: 'Resolution', description: 'Side of the images in training.', unit: 'suffix: px' },
      one('pggan_training_resolution_pixels'),
    ),
    figure({ title: 'Images shown', description: 'Thousands of real images shown.', unit: 'suffix: kimg' }, KIMG),
    figure(
      { title: 'Level of detail', description: '0 at full resolution, fractional while a resolution fades in.' },
      one('pggan_training_lod'),
    ),
    figure(
      { title: 'Complete', description: 'When the run will be complete at its present pace.', unit: 'dateTimeFromNow' },
      `${one('pggan_training_estimated_completion_timestamp_seconds')} * 1000`,
    ),
    figure({ title: 'At stake', description: 'Age of the newest checkpoint: what a kill would cost.', unit: 's' }, `max(${age})`, {
      steps: late,
    }),
    figure(
      { title: 'Pace', description: 'Seconds per thousand images; while it trains.', unit: 's' },
      one('pggan_training_seconds_per_kimg'),
    ),
  ];
}

function losses(): readonly Block[] {
  const network = (name: string): string => current('resolution', 'pggan_training_loss', `network="${name}"`);
  const score = (images: string): string => current('resolution', 'pggan_training_score', `images="${images}"`);
  return [
    ...(['generator', 'discriminator'] as const).flatMap((name) => [
      lines({ title: `Loss of the ${name}`, description: 'Mean of the last tick, per resolution.' }, [
        { expr: network(name), legend: SIZE },
      ]),
      overKimg({ title: `Loss of the ${name} over kimg`, description: 'The same over thousands of images shown.' }, KIMG, [
        { expr: network(name), legend: SIZE },
      ]),
    ]),
    lines(
      { title: 'Scores', description: 'What the discriminator thinks of real and generated images: their distance is what it can tell.' },
      [
        { expr: score('real'), legend: `real ${SIZE}` },
        { expr: score('fake'), legend: `generated ${SIZE}` },
      ],
    ),
    overKimg({ title: 'Scores over kimg', description: 'The same over thousands of images shown.' }, KIMG, [
      { expr: score('real'), legend: `real ${SIZE}` },
      { expr: score('fake'), legend: `generated ${SIZE}` },
    ]),
    lines({ title: 'Gradient norm', description: 'The penalty pulls it to 1. Far above it the training diverges.' }, [
      { expr: current('resolution', 'pggan_training_gradient_norm'), legend: SIZE },
    ]),
    lines({ title: 'Level of detail', description: 'Falls while a resolution fades in.' }, [
      { expr: one('pggan_training_lod'), legend: 'lod' },
    ]),
  ];
}

function speed(): readonly Block[] {
  return [
    lines({ title: 'Seconds per kimg', description: 'In the last tick; while it trains.', unit: 's' }, [
      { expr: one('pggan_training_seconds_per_kimg'), legend: 's/kimg' },
    ]),
    lines({ title: 'Images per second', description: 'In the last tick; while it trains.' }, [
      { expr: one('pggan_training_images_per_second'), legend: 'images/s' },
    ]),
    lines({ title: 'Progress', description: 'Images shown, as a part of those wanted.', unit: 'percentunit' }, [
      { expr: one('pggan_training_progress_ratio'), legend: 'progress' },
    ]),
    lines({ title: 'Time left', description: 'At the pace of the time.', unit: 's' }, [
      { expr: `clamp_min(${one('pggan_training_estimated_completion_timestamp_seconds')} - time(), 0)`, legend: 'left' },
    ]),
  ];
}

function checkpoints(): readonly Block[] {
  return [
    lines({ title: 'Age of the newest checkpoint', description: 'What a kill would cost; it falls to 0 at each save.', unit: 's' }, [
      { expr: `max(time() - ${of('pggan_training_checkpoint_timestamp_seconds')})`, legend: 'age' },
      { expr: one('pggan_training_checkpoint_interval_seconds'), legend: 'interval asked for' },
    ]),
    lines({ title: 'Time that a save takes', description: 'Of the last checkpoint.', unit: 's' }, [
      { expr: one('pggan_training_checkpoint_save_seconds'), legend: 'save' },
    ]),
    lines({ title: 'Size of a checkpoint', description: 'All files of the newest one.', unit: 'bytes' }, [
      { expr: one('pggan_training_checkpoint_bytes'), legend: 'size' },
    ]),
    lines({ title: 'Waits for its store', description: '1 while the store is out of reach, refuses the credentials or is full.' }, [
      { expr: `count(${of('pggan_training_reason', `reason=~"${STORE_REASONS}"`)}) or vector(0)`, legend: 'waits for its store' },
    ]),
  ];
}

function trouble(): readonly Block[] {
  const counted = ['failures', 'disruptions', 'out_of_memory', 'resumes'] as const;
  return [
    lines(
      {
        title: 'Failures and disruptions',
        description: 'Pods that failed; pods that were stopped unasked; processes that went on from a checkpoint.',
      },
      counted.map((what) => ({ expr: one(`pggan_training_${what}_total`), legend: what.replaceAll('_', ' ') })),
    ),
    lines({ title: 'Conditions', description: '1 True, 0 False, -1 Unknown.' }, [
      { expr: by('condition', 'pggan_training_condition'), legend: '{{condition}}' },
    ]),
    table({ title: 'Phases', description: 'One row per resolution, and how long its newest Job waited.' }, [
      { name: 'Resolution', label: 'resolution', unit: 'suffix: px' },
      { name: 'Began', expr: `${by('resolution', 'pggan_training_phase_start_timestamp_seconds')} * 1000`, unit: 'dateTimeAsIso' },
      { name: 'Complete', expr: `${by('resolution', 'pggan_training_phase_completion_timestamp_seconds')} * 1000`, unit: 'dateTimeAsIso' },
      { name: 'Processes', expr: by('resolution', 'pggan_training_phase_attempts_total') },
      { name: 'Waited for its queue', expr: by('resolution', 'pggan_training_phase_wait_seconds', 'stage="queue"'), unit: 's' },
      { name: 'Waited for its pod', expr: by('resolution', 'pggan_training_phase_wait_seconds', 'stage="pod"'), unit: 's' },
    ]),
  ];
}
