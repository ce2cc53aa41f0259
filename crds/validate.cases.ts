/** Manifests and edits that must be refused, as changes to a good object, with the field and words of the refusal. Test data for every judge of them. */
import type { PGGANTraining } from './v1alpha1/pggan-training.ts';

/** Values to set by path; undefined removes the field. */
export type Change = Readonly<Record<string, unknown>>;
export type BadCase = {
  readonly name: string;
  readonly of: keyof typeof GOOD;
  readonly change: Change;
  readonly field: string;
  readonly says: RegExp;
};
/** An edit: `before` makes the old object of the good one, `change` the new one. */
export type BadEdit = BadCase & { readonly before: Change };

export const GOOD = {
  training: {
    apiVersion: 'pggan.dev/v1alpha1',
    kind: 'PGGANTraining',
    metadata: { name: 'rsna-normal', namespace: 'research' },
    spec: {
      dataset: { uri: 's3://pggan/datasets/rsna-normal' },
      output: { uri: 's3://pggan/runs' },
      store: { endpoint: 'https://minio.minio.svc:9000', credentialsSecretRef: { name: 'pggan-store' } },
      resolution: 512,
      preset: 'v2-1gpu',
      totalKimg: 15000,
      schedule: {
        trainKimg: 600,
        learningRates: [{ resolution: 512, generatorLearningRate: '0.0015', discriminatorLearningRate: '0.0015' }],
      },
      network: { channels: 1 },
      template: { resources: { limits: { 'nvidia.com/gpu': '1', memory: '16Gi' } }, env: [{ name: 'TF_CPP_MIN_LOG_LEVEL', value: '1' }] },
      phases: [{ resolution: 512, minibatch: 4 }],
    },
  },
  synthesis: {
    apiVersion: 'pggan.dev/v1alpha1',
    kind: 'SynthesisJob',
    metadata: { name: 'rsna-normal-6300', namespace: 'research' },
    spec: { trainingRef: { name: 'rsna-normal' }, count: 6300, shards: 4, output: { uri: 's3://pggan/synthetic' } },
  },
} as const;

/** The good object with `changes` applied, as a manifest. */
export function changed(of: keyof typeof GOOD, ...changes: readonly Change[]): Record<string, unknown> {
  const object = structuredClone(GOOD[of]) as unknown as Record<string, unknown>;
  for (const [path, value] of changes.flatMap((change) => Object.entries(change))) set(object, path.split('/'), value);
  return object;
}

function set(target: Record<string, unknown>, [key = '', ...rest]: readonly string[], value: unknown): void {
  if (rest.length > 0) {
    target[key] ??= {};
    set(target[key] as Record<string, unknown>, rest, value);
  } else if (value === undefined) delete target[key];
  else target[key] = value;
}

const training = (name: string, change: Change, field: string, says: RegExp): BadCase => ({ name, of: 'training', change, field, says });
const synthesis = (name: string, change: Change, field: string, says: RegExp): BadCase => ({ name, of: 'synthesis', change, field, says });
const list = <T>(length: number, entry: (index: number) => T): readonly T[] => Array.from({ length }, (_, index) => entry(index));

export const BAD_MANIFESTS: readonly BadCase[] = [
  training('a name of 51 characters', { 'metadata/name': 'a'.repeat(51) }, '', /at most 50 characters/),
  training('a name with a dot', { 'metadata/name': 'rsna.normal' }, '', /must not contain '[.]'/),
  training('a misspelt field', { 'spec/totalkimg': 15000 }, 'spec.totalkimg', /unknown field.*did you mean totalKimg/),
  training('a volume in the template', { 'spec/template/volumes': [] }, 'spec.template.volumes', /unknown field/),
  training('a host network in the template', { 'spec/template/hostNetwork': true }, 'spec.template.hostNetwork', /unknown field/),
  training(
    'a security context',
    { 'spec/template/securityContext': { privileged: true } },
    'spec.template.securityContext',
    /unknown field/,
  ),
  training('a command in the template', { 'spec/template/command': ['sh'] }, 'spec.template.command', /unknown field/),
  training('an unknown field inside a list', { 'spec/phases': [{ resolution: 4, batch: 2 }] }, 'spec.phases[0].batch', /unknown field/),
  training('no spec', { spec: undefined }, 'spec', /is required/),
  training('no dataset', { 'spec/dataset': undefined }, 'spec.dataset', /is required/),
  training('no output folder', { 'spec/output': {} }, 'spec.output.uri', /is required/),
  training('no totalKimg', { 'spec/totalKimg': undefined }, 'spec.totalKimg', /is required/),
  training('no resolution', { 'spec/resolution': null }, 'spec.resolution', /is required/),
  training('a resolution that is no power of two', { 'spec/resolution': 500 }, 'spec.resolution', /one of 4, 8,.*found 500/),
  training('a resolution of 2048', { 'spec/resolution': 2048 }, 'spec.resolution', /one of 4, 8/),
  training('a resolution as a string', { 'spec/resolution': '512' }, 'spec.resolution', /must be an integer, found "512"/),
  training('totalKimg 0', { 'spec/totalKimg': 0 }, 'spec.totalKimg', /at least 1, found 0/),
  training('a fractional totalKimg', { 'spec/totalKimg': 1.5 }, 'spec.totalKimg', /must be an integer, found 1[.]5/),
  training('a preset that does not exist', { 'spec/preset': 'v3-1gpu' }, 'spec.preset', /one of v1-1gpu.*found "v3-1gpu"/),
  training('a precision that does not exist', { 'spec/precision': 'fp16' }, 'spec.precision', /one of Float32, BFloat16Mixed/),
  training('a file:// dataset', { 'spec/dataset/uri': 'file:///data/rsna' }, 'spec.dataset.uri', /local runs.*s3:[/][/] or pvc:/),
  training('a file:// output', { 'spec/output/uri': 'file:///runs' }, 'spec.output.uri', /local runs/),
  training('a path for a URI', { 'spec/dataset/uri': '/data/rsna' }, 'spec.dataset.uri', /must match/),
  training('an http dataset', { 'spec/dataset/uri': 'https://example.org/rsna' }, 'spec.dataset.uri', /must match/),
  training(
    'a URI that climbs out of its folder',
    { 'spec/output/uri': 's3://pggan/runs/../../other' },
    'spec.output.uri',
    /must not contain '[.][.]'/,
  ),
  training('a URI of 600 characters', { 'spec/output/uri': `s3://pggan/${'a'.repeat(600)}` }, 'spec.output.uri', /at most 512 characters/),
  training('a claim in upper case', { 'spec/dataset/uri': 'pvc://Datasets/rsna' }, 'spec.dataset.uri', /PersistentVolumeClaim/),
  training('no bucket', { 'spec/dataset/uri': 's3:///datasets' }, 'spec.dataset.uri', /name of a bucket/),
  training('a bucket in upper case', { 'spec/output/uri': 's3://PGGAN/runs' }, 'spec.output.uri', /name of a bucket/),
  training('s3:// without a store', { 'spec/store': undefined }, 'spec', /store must be set/),
  training('an endpoint without a scheme', { 'spec/store/endpoint': 'minio:9000' }, 'spec.store.endpoint', /must match/),
  training(
    'credentials in the endpoint',
    { 'spec/store/endpoint': 'https://key:secret@minio:9000' },
    'spec.store.endpoint',
    /must not carry credentials/,
  ),
  training(
    'a Secret whose name cannot be one',
    { 'spec/store/credentialsSecretRef/name': 'pggan..store' },
    'spec.store.credentialsSecretRef.name',
    /must match/,
  ),
  training('credentials in the manifest', { 'spec/store/secretKey': 'hunter2' }, 'spec.store.secretKey', /unknown field/),
  training(
    'a learning rate as a number',
    { 'spec/schedule/learningRateBase': 0.001 },
    'spec.schedule.learningRateBase',
    /must be a string, found 0[.]001: quote it/,
  ),
  training('a learning rate in words', { 'spec/schedule/learningRateBase': 'small' }, 'spec.schedule.learningRateBase', /must match/),
  training('a negative learning rate', { 'spec/schedule/learningRateBase': '-0.001' }, 'spec.schedule.learningRateBase', /must match/),
  training('a learning rate of 0', { 'spec/schedule/learningRateBase': '0.0' }, 'spec.schedule.learningRateBase', /greater than 0/),
  training('a negative fade', { 'spec/schedule/transitionKimg': -1 }, 'spec.schedule.transitionKimg', /at least 0/),
  training(
    'growing from above the resolution',
    { 'spec/schedule/initialResolution': 1024 },
    'spec.schedule.initialResolution',
    /not be larger than resolution/,
  ),
  training('a minibatch of 0', { 'spec/phases': [{ resolution: 4, minibatch: 0 }] }, 'spec.phases[0].minibatch', /at least 1/),
  training('a minibatch of 5000', { 'spec/phases': [{ resolution: 4, minibatch: 5000 }] }, 'spec.phases[0].minibatch', /at most 4096/),
  training(
    'a microbatch that does not divide its minibatch',
    { 'spec/phases': [{ resolution: 512, minibatch: 16, microbatch: 12 }] },
    'spec.phases[0].microbatch',
    /must divide minibatch/,
  ),
  training('a microbatch of 0', { 'spec/phases': [{ resolution: 512, microbatch: 0 }] }, 'spec.phases[0].microbatch', /at least 1/),
  training('a phase above the resolution', { 'spec/phases': [{ resolution: 1024 }] }, 'spec.phases', /larger than spec[.]resolution/),
  training('the same phase twice', { 'spec/phases': [{ resolution: 8 }, { resolution: 8 }] }, 'spec.phases[1]', /duplicate/i),
  training('ten phases', { 'spec/phases': list(10, (index) => ({ resolution: 4 * 2 ** index })) }, 'spec.phases', /at most 9 entries/),
  training('two channels', { 'spec/network/channels': 2 }, 'spec.network.channels', /one of 1, 3/),
  training('a switch as a string', { 'spec/network/usePixelnorm': 'no' }, 'spec.network.usePixelnorm', /must be true or false/),
  training('an averaging decay of 1', { 'spec/averaging/decay': '1' }, 'spec.averaging.decay', /less than 1/),
  training('a negative seed', { 'spec/seed': -1 }, 'spec.seed', /at least 0/),
  training('no threads', { 'spec/threads': 0 }, 'spec.threads', /at least 1/),
  training(
    'two origins',
    { 'spec/initFrom': { trainingRef: { name: 'a' }, checkpoint: { uri: 's3://pggan/c' } } },
    'spec.initFrom',
    /exactly one/,
  ),
  training('an origin without a source', { 'spec/initFrom': { startKimg: 1 } }, 'spec.initFrom', /exactly one/),
  training(
    'itself as its origin',
    { 'spec/initFrom': { trainingRef: { name: 'rsna-normal' } } },
    'spec.initFrom.trainingRef.name',
    /cannot start from itself/,
  ),
  training(
    'a reference to another namespace',
    { 'spec/initFrom': { trainingRef: { name: 'a', namespace: 'b' } } },
    'spec.initFrom.trainingRef.namespace',
    /unknown field/,
  ),
  training(
    "the operator's own environment variable",
    { 'spec/template/env': [{ name: 'PGGAN_RUN', value: '{}' }] },
    'spec.template.env[0].name',
    /PGGAN_[*] is set by the operator/,
  ),
  training(
    'an environment variable twice',
    {
      'spec/template/env': [
        { name: 'A', value: '1' },
        { name: 'A', value: '2' },
      ],
    },
    'spec.template.env[1]',
    /duplicate/i,
  ),
  training(
    'an environment variable from a Secret',
    { 'spec/template/env': [{ name: 'A', valueFrom: {} }] },
    'spec.template.env[0].valueFrom',
    /unknown field/,
  ),
  training(
    "Kueue's label",
    { 'spec/template/labels': { 'kueue.x-k8s.io/queue-name': 'q' } },
    'spec.template.labels',
    /belong to their controllers/,
  ),
  training(
    "Kubernetes' annotation",
    { 'spec/template/annotations': { 'kubernetes.io/psp': 'x' } },
    'spec.template.annotations',
    /belong to their controllers/,
  ),
  training(
    "the operator's label, for one phase",
    { 'spec/phases': [{ resolution: 4, template: { labels: { 'pggan.dev/training': 'x' } } }] },
    'spec.phases[0].template.labels',
    /belong to their controllers/,
  ),
  training('a label key that is none', { 'spec/template/labels': { 'my label': 'x' } }, 'spec.template.labels', /form name or example/),
  training('a label value with a space', { 'spec/template/labels': { team: 'x ray' } }, 'spec.template.labels.team', /must match/),
  training(
    'a node label that is none',
    { 'spec/template/nodeSelector': { 'pool/gpu/a100': '1' } },
    'spec.template.nodeSelector',
    /form name or example/,
  ),
  training('an image with a space', { 'spec/template/image': 'trainer :1.0' }, 'spec.template.image', /must match/),
  training(
    'a GPU that is requested without a limit',
    { 'spec/template/resources': { requests: { 'nvidia.com/gpu': 1 } } },
    'spec.template.resources',
    /must stand in limits/,
  ),
  training(
    'fewer GPUs in the request than in the limit, for one phase',
    {
      'spec/phases': [{ resolution: 4, template: { resources: { requests: { 'nvidia.com/gpu': 1 }, limits: { 'nvidia.com/gpu': '2' } } } }],
    },
    'spec.phases[0].template.resources',
    /must stand in limits/,
  ),
  training(
    'a device claim without a source',
    { 'spec/template/resourceClaims': [{ name: 'gpu' }] },
    'spec.template.resourceClaims[0]',
    /exactly one/,
  ),
  training(
    'a quantity in words',
    { 'spec/template/resources/limits': { memory: 'lots' } },
    'spec.template.resources.limits.memory',
    /must match/,
  ),
  training(
    'a toleration of an unknown effect',
    { 'spec/template/tolerations': [{ effect: 'Never' }] },
    'spec.template.tolerations[0].effect',
    /one of NoSchedule/,
  ),
  training(
    'a toleration of no taint',
    { 'spec/template/tolerations': [{ value: 'true' }] },
    'spec.template.tolerations[0]',
    /must be Exists where there is no key/,
  ),
  training(
    'a toleration with a value that is not compared',
    { 'spec/template/tolerations': [{ key: 'nvidia.com/gpu', operator: 'Exists', value: 'true' }] },
    'spec.template.tolerations[0]',
    /value must be absent/,
  ),
  training(
    'a toleration that ends without effect',
    { 'spec/template/tolerations': [{ operator: 'Exists', tolerationSeconds: 60 }] },
    'spec.template.tolerations[0]',
    /must be NoExecute/,
  ),
  training('a checkpoint every 0 kimg', { 'spec/checkpoints': { everyKimg: 0 } }, 'spec.checkpoints.everyKimg', /at least 1/),
  training('a metric that does not exist', { 'spec/metrics': { names: ['fid'] } }, 'spec.metrics.names[0]', /one of swd, swd1/),
  training('metrics without names', { 'spec/metrics': { names: [] } }, 'spec.metrics.names', /at least 1/),
  training('no checkpoint kept', { 'spec/checkpoints': { keepLast: 0 } }, 'spec.checkpoints.keepLast', /at least 1/),
  training('a queue without a name', { 'spec/queue': { priorityClass: 'research' } }, 'spec.queue.name', /is required/),
  training('a queue in upper case', { 'spec/queue': { name: 'GPU' } }, 'spec.queue.name', /must match/),
  training('suspend as a string', { 'spec/suspend': 'true' }, 'spec.suspend', /must be true or false/),
  training('a negative number of restarts', { 'spec/maxRestarts': -1 }, 'spec.maxRestarts', /at least 0/),
  training('a deadline of 5 seconds', { 'spec/progressDeadlineSeconds': 5 }, 'spec.progressDeadlineSeconds', /at least 30/),
  training('an unknown deletion policy', { 'spec/deletionPolicy': 'Delete' }, 'spec.deletionPolicy', /one of Retain, DeleteRun/),
  synthesis('neither a training nor a checkpoint', { 'spec/trainingRef': undefined }, 'spec', /exactly one of trainingRef and checkpoint/),
  synthesis(
    'a training and a checkpoint',
    { 'spec/checkpoint': { uri: 's3://pggan/c' } },
    'spec',
    /exactly one of trainingRef and checkpoint/,
  ),
  synthesis('no count', { 'spec/count': undefined }, 'spec.count', /is required/),
  synthesis('a count of 0', { 'spec/count': 0 }, 'spec.count', /at least 1/),
  synthesis('more shards than images', { 'spec/count': 3 }, 'spec.shards', /not be more than count/),
  synthesis('101 shards', { 'spec/shards': 101 }, 'spec.shards', /at most 100/),
  synthesis('a negative label', { 'spec/label': -1 }, 'spec.label', /at least 0/),
  synthesis('unknown latents', { 'spec/latents': 'Xorshift' }, 'spec.latents', /one of RandomState, Philox/),
  synthesis('an unknown format', { 'spec/format': 'DICOM' }, 'spec.format', /one of PNG/),
  synthesis(
    'an s3:// checkpoint without a store',
    { 'spec/trainingRef': undefined, 'spec/checkpoint': { uri: 's3://pggan/c' } },
    'spec',
    /store must be set/,
  ),
  synthesis('a file:// output', { 'spec/output/uri': 'file:///png' }, 'spec.output.uri', /local runs/),
  synthesis('a name of 51 characters', { 'metadata/name': 'a'.repeat(51) }, '', /at most 50 characters/),
  synthesis('a misspelt field', { 'spec/shard': 4 }, 'spec.shard', /unknown field.*did you mean shards/),
  synthesis('no output folder', { 'spec/output': undefined }, 'spec.output', /is required/),
  synthesis(
    "the operator's own environment variable",
    { 'spec/template/env': [{ name: 'PGGAN_SHARD', value: '0' }] },
    'spec.template.env[0].name',
    /PGGAN_[*] is set by the operator/,
  ),
  synthesis(
    "the operator's label",
    { 'spec/template/labels': { 'pggan.dev/synthesis': 'x' } },
    'spec.template.labels',
    /belong to their controllers/,
  ),
];

const edit = (
  name: string,
  before: Change,
  change: Change,
  field: string,
  says = /cannot be changed, added or removed later/,
): BadEdit => ({
  ...training(name, change, field, says),
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
