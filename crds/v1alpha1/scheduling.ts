/** Affinity and topology spread as core/v1 defines them, bounded. */
import { z } from 'zod';
import { atomicList, integer, text } from './common.ts';

const values = z.array(text(63).describe('A value.')).max(32);

const nodeRequirement = z.strictObject({
  key: text(316, 1).describe('Node label (or field) to look at.'),
  operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt', 'Lt']).describe('How it is compared with values.'),
  values: values.optional().meta(atomicList('Values to compare with; none for Exists and DoesNotExist, one integer for Gt and Lt.')),
});
const nodeTerm = z.strictObject({
  matchExpressions: z.array(nodeRequirement).max(16).optional().meta(atomicList('Requirements on labels; all must hold.')),
  matchFields: z.array(nodeRequirement).max(4).optional().meta(atomicList('Requirements on fields such as metadata.name; all must hold.')),
});
const weight = integer(1, 100).describe('How much this preference counts, 1 to 100.');

const nodeAffinity = z.strictObject({
  requiredDuringSchedulingIgnoredDuringExecution: z
    .strictObject({ nodeSelectorTerms: z.array(nodeTerm).min(1).max(8).meta(atomicList('Terms of which one must hold.')) })
    .optional()
    .describe('What a node must be.'),
  preferredDuringSchedulingIgnoredDuringExecution: z
    .array(z.strictObject({ weight, preference: nodeTerm.describe('What the node should be.') }))
    .max(8)
    .optional()
    .meta(atomicList('What a node should be.')),
});

const labelSelector = z.strictObject({
  matchLabels: z
    .record(z.string(), text(63).describe('Value of the label.'))
    .optional()
    .meta({ description: 'Labels that must be equal.', maxProperties: 16 }),
  matchExpressions: z
    .array(
      z.strictObject({
        key: text(316, 1).describe('Label to look at.'),
        operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']).describe('How it is compared with values.'),
        values: values.optional().meta(atomicList('Values to compare with; none for Exists and DoesNotExist.')),
      }),
    )
    .max(16)
    .optional()
    .meta(atomicList('Requirements on labels; all must hold.')),
});
const labelKeys = z.array(text(316, 1).describe('A label key.')).max(8);

const podTerm = z.strictObject({
  labelSelector: labelSelector.optional().describe('Which pods are meant.'),
  namespaces: z
    .array(text(63, 1).describe('A namespace.'))
    .max(16)
    .optional()
    .meta(atomicList("Namespaces of those pods. Default: the training's.")),
  namespaceSelector: labelSelector.optional().describe('Namespaces of those pods, by label.'),
  topologyKey: text(316, 1).describe('Node label whose equal values mean "the same place", such as kubernetes.io/hostname.'),
  matchLabelKeys: labelKeys.optional().meta(atomicList("Keys whose values are taken from the pod's own labels and must be equal.")),
  mismatchLabelKeys: labelKeys.optional().meta(atomicList("Keys whose values are taken from the pod's own labels and must differ.")),
});
const podAffinity = z.strictObject({
  requiredDuringSchedulingIgnoredDuringExecution: z.array(podTerm).max(8).optional().meta(atomicList('Terms that must all hold.')),
  preferredDuringSchedulingIgnoredDuringExecution: z
    .array(z.strictObject({ weight, podAffinityTerm: podTerm.describe('What should hold.') }))
    .max(8)
    .optional()
    .meta(atomicList('Terms that should hold.')),
});

export const affinity = z.strictObject({
  nodeAffinity: nodeAffinity.optional().describe('Nodes to seek.'),
  podAffinity: podAffinity.optional().describe('Pods whose company to seek.'),
  podAntiAffinity: podAffinity.optional().describe('Pods whose company to shun.'),
});

export const topologySpreadConstraint = z.strictObject({
  maxSkew: integer(1, 1000).describe('Largest difference in pods between two places.'),
  topologyKey: text(316, 1).describe('Node label whose equal values mean "the same place".'),
  whenUnsatisfiable: z.enum(['DoNotSchedule', 'ScheduleAnyway']).describe('What happens when it cannot be kept.'),
  labelSelector: labelSelector.optional().describe('Which pods are counted.'),
  minDomains: integer(1, 1000).optional().describe('Least number of places, with DoNotSchedule.'),
  nodeAffinityPolicy: z
    .enum(['Honor', 'Ignore'])
    .optional()
    .describe("Whether nodes that the pod's affinity rules out count. Default: Honor."),
  nodeTaintsPolicy: z
    .enum(['Honor', 'Ignore'])
    .optional()
    .describe('Whether nodes whose taints the pod does not bear count. Default: Ignore.'),
  matchLabelKeys: labelKeys.optional().meta(atomicList("Keys whose values are taken from the pod's own labels and must be equal.")),
});
