/** How kube-state-metrics reads our objects (CustomResourceStateMetrics): for clusters that watch everything through it, and while no operator runs. */
import { API_GROUP } from '../crds/v1alpha1/common.ts';

type Path = readonly string[];

/** A metric of `valueFrom` at `path` of the object, or of each entry of a list there, with labels that are found beside it. */
export type StateMetric = {
  readonly name: string;
  readonly help: string;
  readonly path?: Path;
  readonly valueFrom?: Path;
  readonly labels?: Readonly<Record<string, Path>>;
};

const value = (name: string, help: string, ...path: string[]): StateMetric => ({ name, help, path });
const ofEach = (name: string, help: string, path: Path, valueFrom: string, labels: Readonly<Record<string, Path>>): StateMetric => ({
  name,
  help,
  path,
  valueFrom: [valueFrom],
  labels,
});
const BY_RESOLUTION = { resolution: ['resolution'] };

const COMMON: readonly StateMetric[] = [
  ofEach('condition', 'Conditions: 1 True, 0 False or Unknown.', ['status', 'conditions'], 'status', { condition: ['type'] }),
  value('created', 'When the object was created, in Unix time.', 'metadata', 'creationTimestamp'),
  value('generation', 'Version of the spec.', 'metadata', 'generation'),
  value('observed_generation', 'Version of the spec that the operator has looked at.', 'status', 'observedGeneration'),
  value('suspend', '1 where it is to stand still.', 'spec', 'suspend'),
  value('progress_percent', 'How far it is.', 'status', 'progressPercent'),
  value('failures', 'Pods that failed.', 'status', 'failures'),
];

export const STATE_METRICS: Readonly<Record<string, readonly StateMetric[]>> = {
  PGGANTraining: [
    {
      name: 'info',
      help: 'What is trained, and with what.',
      labels: {
        resolution: ['spec', 'resolution'],
        precision: ['spec', 'precision'],
        preset: ['spec', 'preset'],
        queue: ['spec', 'queue', 'name'],
        image: ['status', 'image'],
      },
    },
    ...COMMON,
    value('total_kimg', 'Thousands of images that the run is to show.', 'spec', 'totalKimg'),
    value('images', 'Real images shown, as the trainer said last.', 'status', 'progress', 'images'),
    value('progress_time', 'When the trainer last told of its progress, in Unix time.', 'status', 'progress', 'time'),
    value('checkpoint_time', 'When the newest checkpoint was saved, in Unix time.', 'status', 'checkpoint', 'time'),
    value(
      'estimated_completion_time',
      'When the run will be complete at its present pace, in Unix time.',
      'status',
      'estimatedCompletionTime',
    ),
    value('resumes', 'Processes that went on from a checkpoint.', 'status', 'resumes'),
    value('disruptions', 'Pods that were stopped unasked.', 'status', 'disruptions'),
    value('out_of_memory', 'Pods that were killed for want of memory.', 'status', 'outOfMemory'),
    ofEach(
      'phase_start_time',
      'When the first process of a phase started, in Unix time.',
      ['status', 'phases'],
      'startTime',
      BY_RESOLUTION,
    ),
    ofEach('phase_completion_time', 'When a phase was complete, in Unix time.', ['status', 'phases'], 'completionTime', BY_RESOLUTION),
    ofEach('phase_attempts', 'Processes that have trained on a phase.', ['status', 'phases'], 'attempts', BY_RESOLUTION),
  ],
  SynthesisJob: [
    {
      name: 'info',
      help: 'What draws, and how it is kept.',
      labels: { training: ['spec', 'trainingRef', 'name'], format: ['spec', 'format'], queue: ['spec', 'queue', 'name'] },
    },
    ...COMMON,
    value('images', 'Images written, over all shards.', 'status', 'imagesDone'),
    value('wanted_images', 'Images wanted, over all shards.', 'spec', 'count'),
  ],
};

/** The file that kube-state-metrics is given with --custom-resource-state-config-file. */
export function stateMetricsConfig(): object {
  const resources = Object.entries(STATE_METRICS).map(([kind, metrics]) => ({
    groupVersionKind: { group: API_GROUP, version: 'v1alpha1', kind },
    metricNamePrefix: `kube_${kind.toLowerCase()}`,
    labelsFromPath: { namespace: ['metadata', 'namespace'], name: ['metadata', 'name'] },
    // Fields that are not there yet are no errors.
    errorLogV: 5,
    metrics: metrics.map(({ name, help, path, valueFrom, labels }) => ({
      name,
      help,
      each:
        path === undefined
          ? { type: 'Info', info: { labelsFromPath: labels } }
          : {
              type: 'Gauge',
              gauge: { path, ...(valueFrom && { valueFrom }), ...(labels && { labelsFromPath: labels }), nilIsZero: false },
            },
    })),
  }));
  return { kind: 'CustomResourceStateMetrics', spec: { resources } };
}
