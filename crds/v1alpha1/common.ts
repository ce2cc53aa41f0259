/** Building blocks of every kind: bounded scalars, references, conditions, and how CEL rules and list types ride on a zod schema. */
import { z } from 'zod';

export const API_GROUP = 'pggan.dev';
export const API_VERSION = 'pggan.dev/v1alpha1';

/** `T` with every field and list in it readonly: objects of the API are values. */
export type DeepReadonly<T> = T extends readonly (infer U)[]
  ? readonly DeepReadonly<U>[]
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T;

/** A CEL rule of the API server, with the message it refuses with. */
export type Rule = {
  readonly rule: string;
  readonly message: string;
  readonly fieldPath?: string;
  readonly reason?: 'FieldValueInvalid' | 'FieldValueForbidden' | 'FieldValueRequired' | 'FieldValueDuplicate';
};

/** Metadata that puts CEL rules on a schema. */
export const rules = (...list: readonly Rule[]) => ({ 'x-kubernetes-validations': list });

/** Metadata of a list whose items are told apart by `keys`: server-side apply merges it by them and the API server refuses duplicates. */
export const mapList = (description: string, ...keys: readonly string[]) => ({
  description,
  'x-kubernetes-list-type': 'map',
  'x-kubernetes-list-map-keys': keys,
});

/** Metadata of a list that is replaced whole. */
export const atomicList = (description: string) => ({ description, 'x-kubernetes-list-type': 'atomic' });

/**
 * Rules for the parent of `field` that let it neither change nor be removed nor be added later. A rule on the field itself would not run
 * when the field is absent on one side, so removing it and adding another value would pass.
 */
export const immutable = (field: string): Rule => ({
  rule: `has(self.${field}) == has(oldSelf.${field}) && (!has(self.${field}) || self.${field} == oldSelf.${field})`,
  message: `${field} cannot be changed, added or removed later: it decides what is trained`,
  fieldPath: `.${field}`,
  reason: 'FieldValueForbidden',
});

/** The one rule that local runs relax: a cluster's pods cannot see the files of the machine that a manifest was written on. */
export const NO_FILE_URI: Rule = {
  rule: "!self.startsWith('file://')",
  message: 'file:// works in local runs (pggan start) only: name an s3:// or pvc:// URI',
};

const RESOLUTIONS = [4, 8, 16, 32, 64, 128, 256, 512, 1024] as const;

/** Width and height of an image in pixels. */
export const resolution = z.literal(RESOLUTIONS);

export const integer = (minimum: number, maximum: number) => z.int().min(minimum).max(maximum);
export const text = (maximum: number, minimum = 0) => (minimum > 0 ? z.string().min(minimum).max(maximum) : z.string().max(maximum));

/** A number that is written as a string, because floats lose digits on their way through YAML, JSON and clients. */
export const decimal = z
  .string()
  .min(1)
  .max(16)
  .regex(/^[0-9]+([.][0-9]+)?([eE]-?[0-9]{1,2})?$/);
export const positiveDecimal = decimal.meta(rules({ rule: 'double(self) > 0.0', message: 'must be greater than 0' }));

/** Where data lives: s3://bucket/prefix, pvc://claim/path, or file:///path in local runs. */
export const uri = z
  .string()
  .max(512)
  .regex(/^(s3|pvc|file):[/][/][^\s?#]+$/)
  .meta(
    rules(
      NO_FILE_URI,
      { rule: "!self.contains('/../') && !self.endsWith('/..')", message: "must not contain '..'" },
      {
        rule: "!self.startsWith('pvc://') || self.matches('^pvc://[a-z0-9]([-a-z0-9.]*[a-z0-9])?(/.*)?$')",
        message: 'pvc:// must be followed by the name of a PersistentVolumeClaim, as in pvc://datasets/rsna',
      },
      {
        rule: "!self.startsWith('s3://') || self.matches('^s3://[a-z0-9][-a-z0-9.]{1,61}[a-z0-9](/.*)?$')",
        message: "s3:// must be followed by the name of a bucket: 3 to 63 lower-case letters, digits, '-' and '.'",
      },
    ),
  );

/** An object's name: a DNS subdomain. */
export const objectName = z
  .string()
  .min(1)
  .max(253)
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/);
/** A name that Kueue finds its objects by: it is the value of a label. */
const queueName = z
  .string()
  .min(1)
  .max(63)
  .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/);
export const timestamp = z.string().max(64).meta({ format: 'date-time' });

/** A reference to an object in the same namespace. */
export const reference = (what: string) => z.strictObject({ name: objectName.describe(`Name of the ${what}, in the same namespace.`) });

export const store = z
  .strictObject({
    endpoint: z
      .string()
      .max(256)
      .regex(/^https?:[/][/][^\s/?#]+[/]?$/)
      .meta(
        rules({ rule: "!self.contains('@')", message: 'must not carry credentials: they belong in the Secret of credentialsSecretRef' }),
      )
      .describe('URL of the S3 service, such as https://minio.minio.svc:9000. Without a path.'),
    region: text(64, 1).optional().describe('Region that requests are signed for. Most services other than AWS need none.'),
    pathStyle: z
      .boolean()
      .optional()
      .describe(
        'Whether the bucket is part of the path (true, as MinIO wants it) or of the host name. Default: what the endpoint suggests.',
      ),
    credentialsSecretRef: reference('Secret with the keys accessKey and secretKey')
      .optional()
      .describe('Secret that is mounted into trainer pods. Absent: the pods find credentials in their environment.'),
    caConfigMapRef: reference('ConfigMap with the key ca.crt')
      .optional()
      .describe('Certificate authority that signed the certificate of the endpoint. Absent: the public ones.'),
  })
  .describe('How s3:// URIs are reached. Credentials are mounted into trainer pods only; the operator never reads them.');

/** Kueue. `what` waits. */
export const queue = (what: string) =>
  z
    .strictObject({
      name: queueName.describe('LocalQueue in the same namespace.'),
      priorityClass: queueName.optional().describe(`WorkloadPriorityClass of ${what}.`),
    })
    .optional();

/** The value of spec.managedBy that means this operator, as its absence does. */
export const THIS_OPERATOR = 'pggan.dev/operator';

/** As Job.spec.managedBy (KEP-4368). */
export const managedBy = z
  .string()
  .min(1)
  .max(63)
  .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?[/][A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/)
  .optional()
  .describe(
    `Controller that acts on this object, such as kueue.x-k8s.io/multikueue. Default: ${THIS_OPERATOR}; with another one this operator leaves the object alone. A local run has no meaning for it.`,
  );
export const managedByRule: Rule = {
  ...immutable('managedBy'),
  message: 'managedBy cannot be changed, added or removed later: two controllers would act on one object',
};

/** A condition as metav1.Condition defines it. */
const condition = z.strictObject({
  type: text(316, 1).describe('What the condition is about, such as Ready.'),
  status: z.enum(['True', 'False', 'Unknown']).describe('Whether it holds.'),
  reason: text(128, 1)
    .regex(/^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$/)
    .describe('Why, in one CamelCase word for programs.'),
  message: text(4096).describe('Why, in a sentence for people; names what to do if anything is to be done.'),
  lastTransitionTime: timestamp.describe('When status last changed.'),
  observedGeneration: integer(0, Number.MAX_SAFE_INTEGER).optional().describe('metadata.generation that this condition was computed from.'),
});

export const conditions = z.array(condition).max(16).meta(mapList('The state of the object as metav1.Conditions.', 'type'));
export const observedGeneration = integer(-1, Number.MAX_SAFE_INTEGER)
  .default(-1)
  .describe('metadata.generation that this status was computed from; -1 until the operator has seen the object.');

/** What a client sees of ObjectMeta; the API server itself defines and checks it. */
export type ObjectMeta = {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly finalizers?: readonly string[];
};

/** A kind of the API: what is needed to generate its CustomResourceDefinition and to validate its objects. */
export type Kind = {
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly description: string;
  readonly spec: z.ZodType;
  readonly status: z.ZodType;
  /** Rules on the whole object; metadata.name is visible to these only. */
  readonly rules: readonly Rule[];
  readonly columns: readonly PrinterColumn[];
  readonly selectableFields: readonly string[];
};

/** A column of `kubectl get`; priority 1 shows it with -o wide only. */
type PrinterColumn = {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'number' | 'boolean' | 'date';
  readonly jsonPath: string;
  readonly description: string;
  readonly priority?: 0 | 1;
};

/** Job names are `<name>-<resolution>` and so on, and must remain DNS labels of at most 63 characters. */
export const NAME_RULES: readonly Rule[] = [
  {
    rule: 'self.metadata.name.size() <= 50',
    message: 'metadata.name must be at most 50 characters: the names of Jobs and pods are derived from it',
  },
  { rule: "!self.metadata.name.contains('.')", message: "metadata.name must not contain '.': the host names of pods are derived from it" },
];
