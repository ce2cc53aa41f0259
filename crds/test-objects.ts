/** A good object of each kind, and what tests change about it. */

/** Values to set by path; undefined removes the field. */
export type Change = Readonly<Record<string, unknown>>;

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
