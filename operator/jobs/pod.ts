/** The pod of a trainer: one container under the restricted pod security level, without a service account token and with nothing to write but scratch. */
import { POD_ENV, podCommand } from '../../crds/pod.ts';
import { canonicalJson, type RunDocument } from '../../crds/run.ts';
import type { PodTemplate } from '../../crds/v1alpha1/pod-template.ts';
import type { Mounted } from './volumes.ts';
import type { PodTemplateSpec } from './wire.ts';

/** What the operator adds to every Job. */
export type JobConfig = {
  /** Name of the cluster, by which the owner of a run folder is told from those of other clusters. */
  readonly cluster: string;
  /** Image of the trainer where a template names none. */
  readonly trainerImage: string;
  /** The same where a pod of the object is promised a GPU; absent: that one. */
  readonly trainerGpuImage?: string;
  /** Port of /progress, /metrics and /healthz. */
  readonly port: number;
};

export type PodParts = {
  readonly template: PodTemplate;
  readonly labels: Readonly<Record<string, string>>;
  readonly image: string;
  readonly run: RunDocument;
  readonly graceSeconds: number;
  readonly mounted: readonly Mounted[];
  /** True for the pods of an Indexed Job, each of which is one shard. */
  readonly sharded: boolean;
};

export const TRAINER_CONTAINER = 'trainer';
const PORT_NAME = 'http';
/** A process that hangs has nothing left to save; one that is only slow may still end its step. */
const HUNG_GRACE_SECONDS = 60;
const SHARD_FIELD = "metadata.annotations['batch.kubernetes.io/job-completion-index']";

/** The image's entry point takes the command of the run document; its numeric USER is the user, because a cluster may choose another one. */
export function trainerPod(parts: PodParts): PodTemplateSpec {
  const { template, labels, graceSeconds, mounted } = parts;
  return {
    metadata: { labels: { ...template.labels, ...labels }, ...(template.annotations && { annotations: template.annotations }) },
    spec: {
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: graceSeconds,
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      securityContext: {
        runAsNonRoot: true,
        seccompProfile: { type: 'RuntimeDefault' },
        // Claims of millions of files are not gone through at every start.
        ...(template.fsGroup !== undefined && { fsGroup: template.fsGroup, fsGroupChangePolicy: 'OnRootMismatch' }),
        ...(template.supplementalGroups && { supplementalGroups: template.supplementalGroups }),
      },
      containers: [container(parts)],
      volumes: mounted.flatMap(({ volumes }) => volumes),
      ...placement(template),
    },
  };
}

/**
 * What a pod of this template is promised, for the trainer to insist on: TensorFlow falls back to the CPU in silence, where a day becomes a
 * week. Of devices that come by resourceClaims nobody here knows what they are.
 */
export function promisedDevice({ resources }: PodTemplate): RunDocument['device'] {
  return Object.keys(resources?.limits ?? {}).some((name) => name.startsWith('nvidia.com/')) ? 'gpu' : undefined;
}

/** The image of an object with pods of these templates, where they name none: one for all of them, as a run is one program from end to end. */
export function defaultImage(templates: readonly PodTemplate[], { trainerImage, trainerGpuImage = trainerImage }: JobConfig): string {
  return templates.some((template) => promisedDevice(template) === 'gpu') ? trainerGpuImage : trainerImage;
}

/** The fields of a template that go into the pod as they are. */
function placement(template: PodTemplate): Partial<NonNullable<PodTemplateSpec['spec']>> {
  const { imagePullSecrets, resourceClaims, nodeSelector, tolerations, affinity, topologySpreadConstraints } = template;
  const { priorityClassName, schedulerName, runtimeClassName, serviceAccountName } = template;
  const all = {
    imagePullSecrets,
    resourceClaims,
    nodeSelector,
    tolerations,
    affinity,
    topologySpreadConstraints,
    priorityClassName,
    schedulerName,
    runtimeClassName,
    serviceAccountName,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

function container(parts: PodParts): NonNullable<PodTemplateSpec['spec']>['containers'][number] {
  const { template, image, run, mounted } = parts;
  const health = { httpGet: { path: '/healthz', port: PORT_NAME }, timeoutSeconds: 5 };
  return {
    name: TRAINER_CONTAINER,
    image,
    ...(template.imagePullPolicy && { imagePullPolicy: template.imagePullPolicy }),
    args: [podCommand(run)],
    env: environment(parts),
    ports: [{ name: PORT_NAME, containerPort: run.port, protocol: 'TCP' }],
    ...(template.resources && { resources: resources(template.resources) }),
    securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] }, readOnlyRootFilesystem: true },
    volumeMounts: mounted.flatMap(({ mounts }) => mounts),
    // Its last progress document; where it wrote none, the end of its log.
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'FallbackToLogsOnError',
    // The server is up before anything is loaded; five minutes are for slow disks.
    startupProbe: { ...health, periodSeconds: 5, failureThreshold: 60 },
    // The trainer's own watchdog answers: only it knows how long a step may take (progressDeadlineSeconds).
    livenessProbe: { ...health, periodSeconds: 30, failureThreshold: 3, terminationGracePeriodSeconds: HUNG_GRACE_SECONDS },
  };
}

/** In rising precedence: what the pod's mounts suggest, the template's variables, and PGGAN_*, which no template can name. */
function environment({ template, run, mounted, sharded }: PodParts): NonNullable<PodTemplateSpec['spec']>['containers'][number]['env'] {
  const suggested = mounted.flatMap(({ env }) => env);
  const given = template.env ?? [];
  return [
    ...suggested.filter(({ name }) => !given.some((variable) => variable.name === name)),
    ...given,
    ...(sharded ? [{ name: POD_ENV.shard, valueFrom: { fieldRef: { fieldPath: SHARD_FIELD } } }] : []),
    { name: POD_ENV.run, value: canonicalJson(run) },
  ];
}

/** Quantities are strings in Kubernetes' own types; manifests may write whole numbers. */
function resources({ limits, requests, claims }: NonNullable<PodTemplate['resources']>) {
  const text = (quantities: typeof limits): Record<string, string> =>
    Object.fromEntries(Object.entries(quantities ?? {}).map(([name, quantity]) => [name, String(quantity)]));
  return { ...(limits && { limits: text(limits) }), ...(requests && { requests: text(requests) }), ...(claims && { claims }) };
}
