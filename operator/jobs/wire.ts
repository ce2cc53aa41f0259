/** The objects of Kubernetes that a Job is made of, as they travel. */
import type { V1PodTemplateSpec, V1Volume, V1VolumeMount } from '@kubernetes/client-node';
import type { Job, Pod, Wire } from '../kube/resource.ts';

export type { Job, Pod };
export type JobSpec = NonNullable<Job['spec']>;
export type PodTemplateSpec = Wire<V1PodTemplateSpec>;
export type Volume = Wire<V1Volume>;
export type VolumeMount = Wire<V1VolumeMount>;
