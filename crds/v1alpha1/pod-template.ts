/** The closed list of what a training may say about its pods. Never volumes, host namespaces, security contexts, commands or sidecars. */
import { z } from 'zod';
import { type DeepReadonly, type Rule, atomicList, integer, mapList, objectName, reference, rules, text } from './common.ts';
import { affinity, topologySpreadConstraint } from './scheduling.ts';

const QUANTITY = '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$';

const quantity = z
  .union([z.int(), z.string()])
  .meta({ 'x-kubernetes-int-or-string': true, pattern: QUANTITY, maxLength: 32, description: 'A quantity, such as 16Gi or 1.' });
const quantities = (description: string) => z.record(z.string(), quantity).meta({ description, maxProperties: 16 });

const resources = z
  .strictObject({
    requests: quantities('What a node must have free, by resource name.').optional(),
    limits: quantities('What the pod may use at most, by resource name. GPUs stand here: nvidia.com/gpu: "1".').optional(),
    claims: z
      .array(
        z.strictObject({
          name: text(63, 1).describe('Name of an entry of resourceClaims.'),
          request: text(63).optional().describe('The one request of that claim to use; absent: all of them.'),
        }),
      )
      .max(8)
      .optional()
      .meta(mapList('Entries of resourceClaims that the container uses.', 'name')),
  })
  .meta(
    rules({
      rule:
        "!has(self.requests) || self.requests.all(name, !name.contains('/') || " +
        '(has(self.limits) && name in self.limits && string(self.limits[name]) == string(self.requests[name])))',
      message: 'GPUs and other devices must stand in limits (requests may repeat them): they cannot be overcommitted',
    }),
  );

const resourceClaim = z
  .strictObject({
    name: text(63, 1).describe('Name that resources.claims refers to.'),
    resourceClaimName: text(253, 1).optional().describe('A ResourceClaim in the same namespace.'),
    resourceClaimTemplateName: text(253, 1).optional().describe('A ResourceClaimTemplate in the same namespace.'),
  })
  .meta(
    rules({
      rule: 'has(self.resourceClaimName) != has(self.resourceClaimTemplateName)',
      message: 'exactly one of resourceClaimName and resourceClaimTemplateName must be set',
    }),
  );

const toleration = z
  .strictObject({
    key: text(316).optional().describe('Taint key; absent with operator Exists: every taint.'),
    operator: z.enum(['Exists', 'Equal']).optional().describe('How key and value are compared. Default: Equal.'),
    value: text(63).optional().describe('Taint value that Equal compares with.'),
    effect: z.enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute']).optional().describe('Taint effect; absent: every effect.'),
    tolerationSeconds: integer(0, 31_536_000).optional().describe('Seconds for which a NoExecute taint is borne; absent: for ever.'),
  })
  .meta(
    rules(
      {
        rule: "(has(self.key) && self.key != '') || (has(self.operator) && self.operator == 'Exists')",
        message: 'operator must be Exists where there is no key',
      },
      {
        rule: "!has(self.value) || self.value == '' || !has(self.operator) || self.operator != 'Exists'",
        message: 'value must be absent with operator Exists',
      },
      {
        rule: "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
        message: 'effect must be NoExecute where tolerationSeconds is set',
      },
    ),
  );

const env = z.strictObject({
  name: text(128, 1)
    .regex(/^[A-Za-z_][A-Za-z0-9_]*$/)
    .meta({
      description: 'Name of the variable. PGGAN_* belongs to the operator and is refused.',
      ...rules({ rule: "!self.startsWith('PGGAN_')", message: 'PGGAN_* is set by the operator and cannot be set here' }),
    }),
  value: text(1024).default('').describe('Its value. Not for secrets: everyone who may read the training sees it.'),
});

const RESERVED = '^([^/]*[.])?(kubernetes[.]io|(x-)?k8s[.]io|pggan[.]dev)/';

const LABEL_VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/;
const LABEL_KEY: Rule = {
  rule: "self.all(key, key.matches('^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$'))",
  message: 'keys must have the form name or example.com/name',
};

const podMetadata = (what: string, value: z.ZodString) =>
  z.record(z.string(), value.describe(`Value of the ${what}.`)).meta({
    description: `Additional ${what}s of the pods. Keys of kubernetes.io, k8s.io, x-k8s.io (Kueue) and pggan.dev are refused.`,
    maxProperties: 16,
    ...rules(LABEL_KEY, {
      rule: `self.all(key, !key.matches('${RESERVED}'))`,
      message: `${what}s of kubernetes.io, k8s.io, x-k8s.io (Kueue) and pggan.dev belong to their controllers`,
    }),
  });

const groupId = integer(0, 2_147_483_647);

export const podTemplate = z.strictObject({
  image: text(512, 1)
    .regex(/^\S+$/)
    .optional()
    .describe("Image of the trainer. Default: the operator's; fixed when the training is accepted."),
  imagePullPolicy: z
    .enum(['Always', 'IfNotPresent', 'Never'])
    .optional()
    .describe('When the image is pulled. Default: as Kubernetes decides.'),
  imagePullSecrets: z
    .array(reference('Secret that the image is pulled with'))
    .max(8)
    .optional()
    .meta(mapList('Secrets that the image is pulled with.', 'name')),
  resources: resources.optional().describe('CPU, memory and GPUs of the one container.'),
  resourceClaims: z.array(resourceClaim).max(8).optional().meta(mapList('Claims of dynamic resource allocation.', 'name')),
  nodeSelector: z
    .record(z.string(), text(63).regex(LABEL_VALUE).describe('Value of the node label.'))
    .optional()
    .meta({ description: 'Labels that a node must have.', maxProperties: 16, ...rules(LABEL_KEY) }),
  tolerations: z.array(toleration).max(16).optional().meta(atomicList('Taints that the pods bear.')),
  affinity: affinity.optional().describe('Which nodes, and the company of which pods, the pods seek or shun.'),
  topologySpreadConstraints: z
    .array(topologySpreadConstraint)
    .max(8)
    .optional()
    .meta(mapList('How pods spread over zones or nodes.', 'topologyKey', 'whenUnsatisfiable')),
  priorityClassName: objectName.optional().describe('PriorityClass of the pods.'),
  schedulerName: objectName.optional().describe('Scheduler that places the pods. Default: default-scheduler.'),
  runtimeClassName: objectName.optional().describe('RuntimeClass of the pods, such as nvidia.'),
  serviceAccountName: objectName.optional().describe('Service account of the pods; its token is never mounted. Default: default.'),
  env: z
    .array(env)
    .max(64)
    .optional()
    .meta(mapList('Additional environment variables. The only field that overrides merge by name.', 'name')),
  labels: podMetadata('label', text(63).regex(LABEL_VALUE)).optional(),
  annotations: podMetadata('annotation', text(1024)).optional(),
  fsGroup: groupId.optional().describe('Group that owns mounted volumes.'),
  supplementalGroups: z.array(groupId.describe('A group id.')).max(16).optional().meta(atomicList('Further groups of the process.')),
});
export type PodTemplate = DeepReadonly<z.infer<typeof podTemplate>>;

/** The pod template of one resolution: a field set in the override replaces the training's whole; only env merges, by name. */
export function mergePodTemplate(base: PodTemplate | undefined, override: PodTemplate | undefined): PodTemplate {
  const merged = { ...base, ...override };
  if (!base?.env || !override?.env) return merged;
  const overridden = new Set(override.env.map(({ name }) => name));
  return { ...merged, env: [...base.env.filter(({ name }) => !overridden.has(name)), ...override.env] };
}
