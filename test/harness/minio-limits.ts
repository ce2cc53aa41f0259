/** What an administrator of MinIO can forbid: credentials with a policy, buckets with a quota. */
import { execFileSync } from 'node:child_process';
import { Client } from 'minio';
import type { Credentials, ObjectStore } from './object-store.ts';

/** Limits what a bucket of MinIO may hold. */
export async function limitBucket({ endpoint, credentials }: ObjectStore, bucket: string, bytes: number): Promise<void> {
  const request = { method: 'PUT', bucketName: 'minio', objectName: 'admin/v3/set-bucket-quota', query: `bucket=${bucket}` };
  const { hostname, port } = new URL(endpoint);
  const client = new Client({ endPoint: hostname, port: Number(port), useSSL: false, region: 'us-east-1', ...credentials });
  await client.makeRequestAsyncOmit(request, JSON.stringify({ quota: bytes, quotatype: 'hard' }));
}

/** Credentials of MinIO that may do only what `statements`, of an IAM policy, allow; they end with their session token. */
export function limitedCredentials({ endpoint, credentials }: ObjectStore, statements: readonly object[]): Credentials {
  const policy = JSON.stringify({ Version: '2012-10-17', Statement: statements });
  const { accessKey, secretKey } = credentials;
  const form = { Action: 'AssumeRole', Version: '2011-06-15', DurationSeconds: '900', Policy: policy };
  const answer = execFileSync(
    'curl',
    [
      '-sS',
      '--fail-with-body',
      '--config',
      '-',
      '--aws-sigv4',
      'aws:amz:us-east-1:sts',
      '-d',
      String(new URLSearchParams(form)),
      `${endpoint}/`,
    ],
    { input: `user = "${accessKey}:${secretKey}"\n`, encoding: 'utf8' },
  );
  const field = (name: string): string => new RegExp(`<${name}>(.*?)</${name}>`).exec(answer)?.[1] ?? '';
  return { accessKey: field('AccessKeyId'), secretKey: field('SecretAccessKey'), sessionToken: field('SessionToken') };
}
