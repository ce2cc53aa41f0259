/** The CustomResourceDefinition of a kind, ready to be applied. */
import { type Structural, objectSchema } from './structural.ts';
import { API_GROUP, type Kind } from './v1alpha1/common.ts';
import { PGGAN_TRAINING } from './v1alpha1/pggan-training.ts';
import { SYNTHESIS_JOB } from './v1alpha1/synthesis-job.ts';

export const KINDS: readonly Kind[] = [PGGAN_TRAINING, SYNTHESIS_JOB];

export const crdName = (kind: Kind): string => `${kind.plural}.${API_GROUP}`;

export function customResourceDefinition(kind: Kind) {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: crdName(kind) },
    spec: {
      group: API_GROUP,
      scope: 'Namespaced',
      names: {
        kind: kind.kind,
        listKind: `${kind.kind}List`,
        plural: kind.plural,
        singular: kind.singular,
        shortNames: kind.shortNames,
        categories: ['pggan'],
      },
      versions: [
        {
          name: 'v1alpha1',
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: kind.columns,
          selectableFields: kind.selectableFields.map((jsonPath) => ({ jsonPath })),
          schema: { openAPIV3Schema: objectSchema(kind) satisfies Structural },
        },
      ],
    },
  };
}
