/** What is mounted into a trainer's pod: the claims that pvc:// URIs name, credentials of the store, and scratch space. */
import { fileURLToPath, pathToFileURL } from 'node:url';
import { POD_ENV } from '../../crds/pod.ts';
import type { PGGANTrainingSpec } from '../../crds/v1alpha1/pggan-training.ts';
import type { Volume, VolumeMount } from './wire.ts';

export type Mounted = {
  readonly volumes: readonly Volume[];
  readonly mounts: readonly VolumeMount[];
  readonly env: readonly { readonly name: string; readonly value: string }[];
};

/** A URI that a process uses, and whether it writes there. */
export type Use = { readonly uri: string | undefined; readonly writes: boolean };

const CLAIMS = '/claims/';
const STORE = '/var/run/pggan.dev/store';
const STORE_CA = '/var/run/pggan.dev/store-ca';
const GIB = 2 ** 30;

/** Each claim is mounted once, at /claims/<claim>; read-only where nothing of it is written. */
export function claimVolumes(uses: readonly Use[]): Mounted {
  const wanted = uses.flatMap(({ uri, writes }) => {
    const claim = uri === undefined ? undefined : /^pvc:[/][/]([^/]+)/.exec(uri)?.[1];
    return claim === undefined ? [] : [{ claim, writes }];
  });
  const claims = [...new Set(wanted.map(({ claim }) => claim))];
  // Names of volumes are DNS labels; those of claims may have dots and more characters.
  const named = claims.map((claim, index) => ({
    claim,
    name: `claim-${index}`,
    writes: wanted.some((use) => use.claim === claim && use.writes),
  }));
  return {
    volumes: named.map(({ claim, name, writes }) => ({
      name,
      persistentVolumeClaim: { claimName: claim, ...(!writes && { readOnly: true }) },
    })),
    mounts: named.map(({ claim, name, writes }) => ({ name, mountPath: `${CLAIMS}${claim}`, ...(!writes && { readOnly: true }) })),
    env: [],
  };
}

/** A pvc:// URI as the file:// URI under which a pod finds it; other URIs as they are. */
export function mountedUri(uri: string): string {
  const [, claim, path = ''] = /^pvc:[/][/]([^/]+)(.*)$/.exec(uri) ?? [];
  return claim === undefined ? uri : pathToFileURL(`${CLAIMS}${claim}${path}`).href;
}

/** The reverse: what a pod calls file:///claims/... by the name that holds outside of it. */
export function claimUri(uri: string): string {
  return uri.startsWith(`file://${CLAIMS}`) ? `pvc://${fileURLToPath(uri).slice(CLAIMS.length)}` : uri;
}

/**
 * Credentials and certificate authority of the store, as files. Both are optional: a pod whose Secret is missing starts and says so (exit 4)
 * instead of hanging, and finds it on its next try. Readable for all, because the image chooses the user.
 */
export function storeVolumes(store: PGGANTrainingSpec['store']): Mounted {
  const secret = store?.credentialsSecretRef?.name;
  const authority = store?.caConfigMapRef?.name;
  const parts = [
    secret !== undefined && {
      volume: { name: 'store', secret: { secretName: secret, items: items('accessKey', 'secretKey'), optional: true, defaultMode: 0o444 } },
      mount: { name: 'store', mountPath: STORE, readOnly: true },
      env: { name: POD_ENV.storeCredentials, value: STORE },
    },
    authority !== undefined && {
      volume: { name: 'store-ca', configMap: { name: authority, items: items('ca.crt'), optional: true, defaultMode: 0o444 } },
      mount: { name: 'store-ca', mountPath: STORE_CA, readOnly: true },
      env: { name: POD_ENV.storeCa, value: `${STORE_CA}/ca.crt` },
    },
  ].filter((part) => part !== false);
  return { volumes: parts.map(({ volume }) => volume), mounts: parts.map(({ mount }) => mount), env: parts.map(({ env }) => env) };
}

const items = (...keys: readonly string[]) => keys.map((key) => ({ key, path: key }));

/** The only place besides mounted claims that a process can write to; TensorFlow and CUDA keep their own files below HOME. */
export function scratchVolume(bytes: number): Mounted {
  return {
    volumes: [{ name: 'scratch', emptyDir: { sizeLimit: `${Math.ceil(bytes / GIB)}Gi` } }],
    mounts: [{ name: 'scratch', mountPath: '/tmp' }],
    env: [{ name: 'HOME', value: '/tmp' }],
  };
}
