/** Stored objects for the tests of Jobs: the good manifests of the admission table, with changes, as the API server would hand them out. */
import assert from 'node:assert/strict';
import { type Change, changed } from '../../crds/test-objects.ts';
import { validateManifest } from '../../crds/validate.ts';
import type { SynthesisObject } from '../synthesis/observed.ts';
import type { TrainingObject } from '../training/expectation.ts';
import type { JobConfig } from './pod.ts';

export const CONFIG: JobConfig = { cluster: 'east', trainerImage: 'registry.example/pggan-trainer:1.0', port: 8080 };

const STORED = { uid: '0f3c5a52-8f4e-4a37-9f5e-0d6f3f1f7a01', generation: 1 };

export function trainingObject(...changes: readonly Change[]): TrainingObject {
  const { object } = valid(changed('training', ...changes));
  assert.ok(object.kind === 'PGGANTraining');
  const { name, namespace = '' } = object.metadata;
  return { metadata: { name, namespace, ...STORED }, spec: object.spec };
}

export function synthesisObject(...changes: readonly Change[]): SynthesisObject {
  const { object } = valid(changed('synthesis', ...changes));
  assert.ok(object.kind === 'SynthesisJob');
  const { name, namespace = '' } = object.metadata;
  return { metadata: { name, namespace, ...STORED }, spec: object.spec };
}

function valid(manifest: unknown) {
  const validated = validateManifest(manifest);
  assert.ok(validated.ok, JSON.stringify(validated));
  return validated;
}

/** Every field that a template can have. */
export const EVERYTHING = {
  image: 'registry.example/trainer:2.0',
  imagePullPolicy: 'IfNotPresent',
  imagePullSecrets: [{ name: 'pull' }],
  resources: {
    requests: { cpu: 2, memory: '8Gi' },
    limits: { memory: '16Gi', 'nvidia.com/gpu': '1' },
    claims: [{ name: 'gpu', request: 'one' }],
  },
  resourceClaims: [{ name: 'gpu', resourceClaimTemplateName: 'gpus' }],
  nodeSelector: { 'example.com/pool': 'gpu' },
  tolerations: [{ key: 'nvidia.com/gpu', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 60 }],
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: 'zone', operator: 'In', values: ['a'] }] }],
      },
      preferredDuringSchedulingIgnoredDuringExecution: [
        { weight: 1, preference: { matchFields: [{ key: 'metadata.name', operator: 'NotIn', values: ['node-1'] }] } },
      ],
    },
    podAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        { topologyKey: 'zone', namespaces: ['minio'], labelSelector: { matchLabels: { app: 'minio' } } },
      ],
    },
    podAntiAffinity: {
      preferredDuringSchedulingIgnoredDuringExecution: [
        {
          weight: 100,
          podAffinityTerm: {
            topologyKey: 'kubernetes.io/hostname',
            namespaceSelector: {},
            labelSelector: { matchExpressions: [{ key: 'app', operator: 'Exists' }] },
            matchLabelKeys: ['team'],
          },
        },
      ],
    },
  },
  topologySpreadConstraints: [
    {
      maxSkew: 1,
      topologyKey: 'zone',
      whenUnsatisfiable: 'DoNotSchedule',
      labelSelector: { matchLabels: { app: 'x' } },
      minDomains: 2,
      nodeAffinityPolicy: 'Honor',
      nodeTaintsPolicy: 'Honor',
      matchLabelKeys: ['team'],
    },
  ],
  priorityClassName: 'system-node-critical',
  schedulerName: 'bin-packer',
  runtimeClassName: 'nvidia',
  serviceAccountName: 'trainer',
  env: [{ name: 'HTTPS_PROXY', value: 'http://proxy:3128' }],
  labels: { team: 'radiology', 'sidecar.istio.io/inject': 'false' },
  annotations: { 'example.com/cost-centre': '42' },
  fsGroup: 2000,
  supplementalGroups: [3000],
} as const;
