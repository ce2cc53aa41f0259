/** How MinIO and versitygw are started: arguments, environment, and the path that tells whether they are ready. */
import { type ChildProcess, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Certificates } from './certificates.ts';

export const OBJECT_STORES = ['minio', 'versitygw'] as const;
export type ObjectStoreKind = (typeof OBJECT_STORES)[number];

/** Of the administrator of both. */
export const ADMINISTRATOR = { accessKey: 'administrator', secretKey: 'administrator-secret' };

export type Launch = {
  readonly path: string;
  readonly root: string;
  readonly folder: string;
  /** Host and port. */
  readonly address: string;
  readonly certificates: Certificates | undefined;
  readonly region: string | undefined;
};
export type Server = { readonly argv: readonly string[]; readonly env: Readonly<Record<string, string>>; readonly health: string };

export const COMMANDS: Readonly<Record<ObjectStoreKind, (launch: Launch) => Server>> = {
  minio({ path, root, folder, address, certificates, region }) {
    const folderOfCertificates = join(root, 'minio-certificates');
    mkdirSync(folderOfCertificates);
    if (certificates) {
      copyFileSync(certificates.certificate, join(folderOfCertificates, 'public.crt'));
      copyFileSync(certificates.key, join(folderOfCertificates, 'private.key'));
    }
    return {
      argv: [path, 'server', '--quiet', '--address', address, '--certs-dir', folderOfCertificates, folder],
      env: {
        MINIO_ROOT_USER: ADMINISTRATOR.accessKey,
        MINIO_ROOT_PASSWORD: ADMINISTRATOR.secretKey,
        MINIO_BROWSER: 'off',
        ...(region === undefined ? {} : { MINIO_REGION: region }),
      },
      health: '/minio/health/ready',
    };
  },
  versitygw({ path, folder, address, certificates, region }) {
    const tls = certificates ? ['--cert', certificates.certificate, '--key', certificates.key] : [];
    const where = region === undefined ? [] : ['--region', region];
    return {
      argv: [path, '--quiet', '--port', address, '--health', '/health', ...where, ...tls, 'posix', folder],
      env: { ROOT_ACCESS_KEY: ADMINISTRATOR.accessKey, ROOT_SECRET_KEY: ADMINISTRATOR.secretKey },
      health: '/health',
    };
  },
};

/** With a disk of its own the server lives in a mount namespace, where a small file system lies over its folder. */
export function launch({ argv, env }: Server, folder: string, diskMegabytes: number | undefined): ChildProcess {
  const inSmallDisk = `mount -t tmpfs -o size=${diskMegabytes}m none "$1" && shift && exec "$@"`;
  const wrapped = ['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c', inSmallDisk, 'sh', folder, ...argv];
  const [command = '', ...args] = diskMegabytes === undefined ? argv : wrapped;
  return spawn(command, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: process.env['PATH'], HOME: join(folder, '..'), ...env },
  });
}
