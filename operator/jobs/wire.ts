/** Objects of Kubernetes as they travel: client-node's types, readonly, and with the strings that times are in JSON. */
import type { V1Job, V1JobSpec, V1Pod, V1PodTemplateSpec, V1Volume, V1VolumeMount } from '@kubernetes/client-node';

type Wire<T> = T extends Date
  ? string
  : T extends readonly (infer Item)[]
    ? readonly Wire<Item>[]
    : T extends object
      ? // JSON leaves out what is undefined: that is as good as missing.
        { readonly [K in keyof T]: undefined extends T[K] ? Wire<T[K]> | undefined : Wire<T[K]> }
      : T;

export type Job = Wire<V1Job>;
export type JobSpec = Wire<V1JobSpec>;
export type Pod = Wire<V1Pod>;
export type PodTemplateSpec = Wire<V1PodTemplateSpec>;
export type Volume = Wire<V1Volume>;
export type VolumeMount = Wire<V1VolumeMount>;
