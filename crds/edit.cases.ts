/** Edits of a good object that must be refused, with the field and words of the refusal, and edits that must not. Test data for every judge of them. */
import type { BadCase } from './manifest.cases.ts';
import type { Change } from './test-objects.ts';
import type { PGGANTraining } from './v1alpha1/pggan-training.ts';

/** An edit: `before` makes the old object of the good one, `change` the new one. */
export type BadEdit = BadCase & { readonly before: Change };

const edit = (
  name: string,
  before: Change,
  change: Change,
  field: string,
  says = /cannot be changed, added or removed later/,
): BadEdit => ({
  name,
  of: 'training',
  change,
  field,
  says,
  before,
});
const spec = (field: keyof PGGANTraining['spec']): string => `spec/${field}`;

export const BAD_EDITS: readonly BadEdit[] = [
  edit('lowering totalKimg', {}, { [spec('totalKimg')]: 14999 }, 'spec.totalKimg', /may be raised.*never lowered/),
  edit('no totalKimg any more', {}, { [spec('totalKimg')]: undefined }, 'spec.totalKimg', /is required/),
  edit('no dataset any more', {}, { [spec('dataset')]: undefined }, 'spec.dataset', /is required/),
  edit('another dataset', {}, { 'spec/dataset/uri': 's3://pggan/datasets/other' }, 'spec.dataset'),
  edit('another output folder', {}, { 'spec/output/uri': 's3://pggan/other' }, 'spec.output'),
  edit('a higher resolution', {}, { [spec('resolution')]: 1024 }, 'spec.resolution'),
  edit('another preset', {}, { [spec('preset')]: 'v1-1gpu' }, 'spec.preset'),
  edit('no preset any more', {}, { [spec('preset')]: undefined }, 'spec.preset'),
  edit('a preset where none was', { [spec('preset')]: undefined }, {}, 'spec.preset'),
  edit('another precision', {}, { [spec('precision')]: 'BFloat16Mixed' }, 'spec.precision'),
  edit('a precision removed, so that the default comes back', { [spec('precision')]: 'BFloat16Mixed' }, {}, 'spec.precision'),
  edit('another network', {}, { 'spec/network/fmapBase': 4096 }, 'spec.network'),
  edit('one field of the schedule', {}, { 'spec/schedule/trainKimg': 601 }, 'spec.schedule'),
  edit('one more field of the schedule', {}, { 'spec/schedule/transitionKimg': 600 }, 'spec.schedule'),
  edit(
    'a learning rate in a list',
    {},
    { 'spec/schedule/learningRates': [{ resolution: 512, generatorLearningRate: '0.002', discriminatorLearningRate: '0.0015' }] },
    'spec.schedule',
  ),
  edit('no schedule any more', {}, { [spec('schedule')]: undefined }, 'spec.schedule'),
  edit('a schedule where none was', { [spec('schedule')]: undefined }, {}, 'spec.schedule'),
  edit('no network any more', {}, { [spec('network')]: undefined }, 'spec.network'),
  edit('a network where none was', { [spec('network')]: undefined }, {}, 'spec.network'),
  edit('an optimizer switch where none was', {}, { 'spec/optimizer': { resetForNewLod: false } }, 'spec.optimizer'),
  edit('another averaging decay', { 'spec/averaging': { decay: '0.99' } }, { 'spec/averaging': { decay: '0.9' } }, 'spec.averaging'),
  edit('no averaging any more', { 'spec/averaging': { decay: '0.99' } }, {}, 'spec.averaging'),
  edit('no optimizer switch any more', { 'spec/optimizer': { resetForNewLod: false } }, {}, 'spec.optimizer'),
  edit('mirrored images', {}, { [spec('mirrorAugment')]: true }, 'spec.mirrorAugment'),
  edit(
    'another controller',
    { [spec('managedBy')]: 'kueue.x-k8s.io/multikueue' },
    { [spec('managedBy')]: 'pggan.dev/operator' },
    'spec.managedBy',
  ),
  edit('a controller where none was named', {}, { [spec('managedBy')]: 'kueue.x-k8s.io/multikueue' }, 'spec.managedBy'),
  edit('another seed', {}, { [spec('seed')]: 1 }, 'spec.seed'),
  edit('a seed removed, so that the default comes back', { [spec('seed')]: 7 }, {}, 'spec.seed'),
  edit('an origin where none was', {}, { 'spec/initFrom': { trainingRef: { name: 'other' } } }, 'spec.initFrom'),
  edit(
    'another origin',
    { 'spec/initFrom': { trainingRef: { name: 'other' } } },
    { 'spec/initFrom': { trainingRef: { name: 'third' } } },
    'spec.initFrom',
  ),
  edit('no origin any more', { 'spec/initFrom': { trainingRef: { name: 'other' } } }, {}, 'spec.initFrom'),
  edit('another minibatch of a phase', {}, { 'spec/phases': [{ resolution: 512, minibatch: 8 }] }, 'spec.phases'),
  edit('no minibatch of a phase any more', {}, { 'spec/phases': [{ resolution: 512 }] }, 'spec.phases'),
  edit('a phase with a minibatch removed', {}, { 'spec/phases': [] }, 'spec.phases'),
  edit('all phases removed', {}, { 'spec/phases': undefined }, 'spec.phases'),
  edit('a phase with a minibatch added', { 'spec/phases': undefined }, {}, 'spec.phases'),
  edit(
    'a learning rate of a phase added',
    {},
    { 'spec/phases': [{ resolution: 512, minibatch: 4, generatorLearningRate: '0.01' }] },
    'spec.phases',
  ),
  edit(
    'a learning rate of another phase added',
    {},
    {
      'spec/phases': [
        { resolution: 512, minibatch: 4 },
        { resolution: 4, discriminatorLearningRate: '0.01' },
      ],
    },
    'spec.phases',
  ),
  edit('no store any more, while s3:// is in use', {}, { [spec('store')]: undefined }, 'spec', /store must be set/),
  edit(
    "the operator's own environment variable",
    {},
    { 'spec/template/env': [{ name: 'PGGAN_RUN', value: '{}' }] },
    'spec.template.env[0].name',
    /PGGAN_[*] is set by the operator/,
  ),
  { ...edit('another count', {}, { 'spec/count': 7000 }, 'spec.count'), of: 'synthesis' },
  { ...edit('another seed to draw with', {}, { 'spec/seed': 7 }, 'spec.seed'), of: 'synthesis' },
  { ...edit('a label added later', {}, { 'spec/label': 1 }, 'spec.label'), of: 'synthesis' },
  { ...edit('smaller images', { 'spec/resolution': 256 }, { 'spec/resolution': 128 }, 'spec.resolution'), of: 'synthesis' },
  { ...edit('a truncation added later', {}, { 'spec/truncation': '0.7' }, 'spec.truncation'), of: 'synthesis' },
  { ...edit('another format', {}, { 'spec/format': 'TFRecord' }, 'spec.format'), of: 'synthesis' },
  { ...edit('other latents', {}, { 'spec/latents': 'Philox' }, 'spec.latents'), of: 'synthesis' },
  {
    ...edit(
      'a checkpoint instead of the training',
      {},
      { 'spec/trainingRef': undefined, 'spec/checkpoint': { uri: 'pvc://b/c' } },
      'spec.trainingRef',
    ),
    of: 'synthesis',
  },
  { ...edit('another training', {}, { 'spec/trainingRef/name': 'other' }, 'spec.trainingRef'), of: 'synthesis' },
  { ...edit('another number of shards', {}, { 'spec/shards': 8 }, 'spec.shards'), of: 'synthesis' },
  { ...edit('shards removed, so that the default comes back', {}, { 'spec/shards': undefined }, 'spec.shards'), of: 'synthesis' },
  { ...edit('another output folder', {}, { 'spec/output/uri': 's3://pggan/other' }, 'spec.output'), of: 'synthesis' },
  { ...edit('other minibatches', {}, { 'spec/minibatch': 4 }, 'spec.minibatch'), of: 'synthesis' },
  { ...edit('no longer waiting', {}, { 'spec/waitForTraining': false }, 'spec.waitForTraining'), of: 'synthesis' },
];

/** Edits that must be accepted. */
export const GOOD_EDITS: readonly Pick<BadEdit, 'name' | 'of' | 'before' | 'change'>[] = [
  { name: 'raising totalKimg', of: 'training', before: {}, change: { [spec('totalKimg')]: 20000 } },
  { name: 'another memory limit', of: 'training', before: {}, change: { 'spec/template/resources/limits': { memory: '32Gi' } } },
  {
    name: 'a pod template for a phase',
    of: 'training',
    before: {},
    change: {
      'spec/phases': [
        { resolution: 512, minibatch: 4, template: { image: 'x' } },
        { resolution: 4, template: { image: 'y' } },
      ],
    },
  },
  {
    name: 'phases in another order',
    of: 'training',
    before: { 'spec/phases': [{ resolution: 4 }, { resolution: 512, minibatch: 4 }] },
    change: { 'spec/phases': [{ resolution: 512, minibatch: 4 }, { resolution: 4 }] },
  },
  {
    name: 'smaller microbatches, once memory has run out',
    of: 'training',
    before: { 'spec/phases': [{ resolution: 512, minibatch: 8 }] },
    change: {
      'spec/phases': [
        { resolution: 512, minibatch: 8, microbatch: 4 },
        { resolution: 256, microbatch: 4 },
      ],
    },
  },
  { name: 'metrics at ticks', of: 'training', before: {}, change: { 'spec/metrics': { names: ['swd', 'moments'], everyTicks: 1 } } },
  { name: 'suspending', of: 'training', before: {}, change: { [spec('suspend')]: true } },
  { name: 'another store endpoint', of: 'training', before: {}, change: { 'spec/store/endpoint': 'https://minio.other.svc:9000' } },
  { name: 'another cadence of checkpoints', of: 'training', before: {}, change: { 'spec/checkpoints': { everyKimg: 10 } } },
  { name: 'another deletion policy', of: 'training', before: {}, change: { [spec('deletionPolicy')]: 'DeleteRun' } },
  { name: 'writing a default out', of: 'training', before: {}, change: { [spec('seed')]: 1000, [spec('precision')]: 'Float32' } },
  { name: 'suspending a synthesis', of: 'synthesis', before: {}, change: { 'spec/suspend': true } },
];
