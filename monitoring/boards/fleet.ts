/** The board of all trainings and syntheses, and of the operator that looks after them. */
import { OBJECT, ofCurrentResolution, STORE_REASONS } from '../queries.ts';
import { board, type Board, linkTo, variable } from './board.ts';
import { type Block, figure, lines, table } from './panels.ts';
import { FLEET_UID, TRAINING_UID } from './training.ts';

const of = (metric: string, more = ''): string => `${metric}{namespace=~"$namespace"${more === '' ? '' : `, ${more}`}}`;
const each = (metric: string, more = ''): string => `max by (${OBJECT}) (${of(metric, more)})`;
/** Trainings for which this holds; 0 where it holds for none. */
const count = (expr: string): string => `count(${expr}) or vector(0)`;
const holds = (condition: string): string => `${each('pggan_training_condition', `condition="${condition}"`)} == 1`;
const NAMED = '{{namespace}}/{{name}}';
const WARNS = [
  { color: 'green', value: null },
  { color: 'red', value: 1 },
];

export function fleetBoard(): Board {
  return board({
    uid: FLEET_UID,
    title: 'PGGAN / Fleet',
    description: 'All PGGANTrainings and SynthesisJobs, and the operator.',
    variables: [variable('namespace', 'Namespace', 'label_values(pggan_training_info, namespace)', true)],
    annotations: [],
    links: [linkTo('Training', TRAINING_UID)],
    rows: [
      { title: 'Now', blocks: now() },
      { title: 'Trainings', blocks: trainings() },
      { title: 'Failures, queues and stores', blocks: trouble() },
      { title: 'Syntheses', blocks: syntheses() },
      { title: 'Operator', blocks: operator() },
    ],
  });
}

function now(): readonly Block[] {
  const queued = of('pggan_training_reason', 'reason="Queued"');
  const store = of('pggan_training_reason', `reason=~"${STORE_REASONS}"`);
  return [
    figure({ title: 'Trainings', description: 'All, whatever they do.' }, count(of('pggan_training_info'))),
    figure({ title: 'At work', description: 'A process trains, or its pod is awaited.' }, count(holds('Progressing'))),
    figure({ title: 'Queued', description: 'Not admitted by their queue yet.' }, count(queued)),
    figure({ title: 'Suspended', description: 'Stopped on request.' }, count(holds('Suspended'))),
    figure({ title: 'Stalled', description: 'Wait for a person.' }, count(holds('Stalled')), { steps: WARNS }),
    figure({ title: 'Without store', description: 'Wait for their object store.' }, count(store), { steps: WARNS }),
    figure({ title: 'Succeeded', description: 'All phases are complete.' }, count(holds('Succeeded'))),
    figure(
      { title: 'Images per second', description: 'Over all that train.' },
      `sum(${each('pggan_training_images_per_second')}) or vector(0)`,
    ),
  ];
}

function trainings(): readonly Block[] {
  const board = `/d/${TRAINING_UID}?var-datasource=\${datasource}&var-namespace=\${__data.fields.Namespace}&var-training=\${__data.fields.Training}`;
  const loss = (network: string): string =>
    `max by (${OBJECT}) (${of('pggan_training_loss', `network="${network}"`)} ${ofCurrentResolution()})`;
  return [
    table({ title: 'Trainings', description: 'A click on a name leads to its own board.' }, [
      { name: 'Namespace', label: 'namespace' },
      { name: 'Training', label: 'name', link: board },
      { name: 'State', label: 'reason', expr: `max by (${OBJECT}, reason) (${of('pggan_training_reason')})` },
      { name: 'Resolution', expr: each('pggan_training_resolution_pixels'), unit: 'suffix: px' },
      { name: 'Progress', expr: each('pggan_training_progress_ratio'), unit: 'percentunit' },
      { name: 'kimg', expr: each('pggan_training_kimg') },
      { name: 's/kimg', expr: each('pggan_training_seconds_per_kimg'), unit: 's' },
      { name: 'Complete', expr: `${each('pggan_training_estimated_completion_timestamp_seconds')} * 1000`, unit: 'dateTimeFromNow' },
      { name: 'Checkpoint', expr: `${each('pggan_training_checkpoint_timestamp_seconds')} * 1000`, unit: 'dateTimeFromNow' },
      { name: 'Failures', expr: each('pggan_training_failures_total') },
      { name: 'Disruptions', expr: each('pggan_training_disruptions_total') },
    ]),
    lines({ title: 'Loss of the generator', description: 'Of the resolution in training.' }, [{ expr: loss('generator'), legend: NAMED }]),
    lines({ title: 'Loss of the discriminator', description: 'Of the resolution in training.' }, [
      { expr: loss('discriminator'), legend: NAMED },
    ]),
    lines({ title: 'Progress', description: 'Images shown, as a part of those wanted.', unit: 'percentunit' }, [
      { expr: each('pggan_training_progress_ratio'), legend: NAMED },
    ]),
    lines({ title: 'Images per second', description: 'In the last tick; of those that train.' }, [
      { expr: each('pggan_training_images_per_second'), legend: NAMED },
    ]),
  ];
}

function trouble(): readonly Block[] {
  const counted = ['failures', 'disruptions', 'out_of_memory', 'resumes'] as const;
  const age = `time() - ${each('pggan_training_checkpoint_timestamp_seconds')} unless on (${OBJECT}) (${holds('Succeeded')})`;
  return [
    lines(
      {
        title: 'Failures and disruptions in an hour',
        description: 'Over all trainings. Disruptions are no failures: a drained node, a preempted pod.',
      },
      counted.map((what) => ({ expr: `sum(increase(${of(`pggan_training_${what}_total`)}[1h]))`, legend: what.replaceAll('_', ' ') })),
    ),
    lines({ title: 'Age of the newest checkpoint', description: 'Of what is unfinished.', unit: 's' }, [
      { expr: `(${age}) or vector(0)`, legend: NAMED },
    ]),
    lines(
      { title: 'Longest wait of a phase', description: 'Until its queue let it go on, and from then on until its pod started.', unit: 's' },
      [{ expr: `max by (stage) (${of('pggan_training_phase_wait_seconds')})`, legend: '{{stage}}' }],
    ),
    lines({ title: 'Queues and stores', description: 'Trainings that are queued now, and that wait for their store.' }, [
      { expr: count(of('pggan_training_reason', 'reason="Queued"')), legend: 'queued' },
      { expr: count(of('pggan_training_reason', `reason=~"${STORE_REASONS}"`)), legend: 'wait for their store' },
    ]),
  ];
}

function syntheses(): readonly Block[] {
  return [
    lines({ title: 'Images written', description: 'As a part of those wanted.', unit: 'percentunit' }, [
      { expr: `${each('pggan_synthesisjob_images')} / ${each('pggan_synthesisjob_wanted_images')}`, legend: NAMED },
    ]),
    lines({ title: 'Synthetic images per second', description: 'Over all running shards of a job.' }, [
      { expr: each('pggan_synthesisjob_images_per_second'), legend: NAMED },
    ]),
  ];
}

const late = (metric: string, label: string): string => `histogram_quantile(0.99, sum by (le, ${label}) (rate(${metric}_bucket[5m])))`;

function operator(): readonly Block[] {
  return [
    lines({ title: 'Leader', description: 'One process leads, and tells of the objects.' }, [
      { expr: 'sum(pggan_operator_leader)', legend: 'lead' },
      { expr: 'count(pggan_operator_leader)', legend: 'run' },
    ]),
    lines({ title: 'Time that reconciles take', description: '99 of 100 take less.', unit: 's' }, [
      { expr: late('pggan_operator_reconcile_duration_seconds', 'controller'), legend: '{{controller}}' },
    ]),
    lines({ title: 'Reconciles that failed', description: 'Per second. Conflicts are tried again at once.' }, [
      { expr: 'sum by (controller) (rate(pggan_operator_reconcile_errors_total[5m]))', legend: '{{controller}}' },
    ]),
    lines({ title: 'Keys that wait for a worker', description: 'In the queues of the leader.' }, [
      { expr: 'max by (queue) (pggan_operator_queue_depth)', legend: '{{queue}}' },
    ]),
    lines({ title: 'Requests to the API server', description: 'Per second, by HTTP status or kind of failure.' }, [
      { expr: 'sum by (code) (rate(pggan_operator_api_requests_total[5m]))', legend: '{{code}}' },
    ]),
    lines({ title: 'Age of what the operator sees', description: 'Time since the API server was last heard of on a watch.', unit: 's' }, [
      { expr: 'max by (resource) (pggan_operator_watch_staleness_seconds)', legend: '{{resource}}' },
    ]),
  ];
}
