import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { KubeConfig } from '@kubernetes/client-node';
import { connectionOf, tokenFile } from './connection.ts';
import { isKubeError } from './errors.ts';
import { VirtualClock } from './virtual-clock.ts';

test('a token file is read once a minute, and at once when its token was refused', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'pggan-token-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'token');
  const clock = new VirtualClock();
  const credentials = tokenFile(path, clock);
  await assert.rejects(credentials.headers(), (error) => isKubeError(error, 'Unauthorized'));
  writeFileSync(path, 'first\n');
  assert.deepEqual(await credentials.headers(), { authorization: 'Bearer first' });
  writeFileSync(path, 'second\n');
  await clock.advance(59);
  assert.deepEqual(await credentials.headers(), { authorization: 'Bearer first' });
  await clock.advance(1);
  assert.deepEqual(await credentials.headers(), { authorization: 'Bearer second' });
  writeFileSync(path, 'third\n');
  credentials.refused();
  assert.deepEqual(await credentials.headers(), { authorization: 'Bearer third' });
});

const configOf = (cluster: object, user: object): KubeConfig => {
  const config = new KubeConfig();
  const named = { cluster: 'c', user: 'u' };
  config.loadFromString(
    JSON.stringify({
      clusters: [{ name: 'c', cluster }],
      users: [{ name: 'u', user }],
      contexts: [{ name: 'x', context: named }],
      'current-context': 'x',
    }),
  );
  return config;
};

const base64 = (text: string): string => Buffer.from(text).toString('base64');

test('a kubeconfig says where, by which certificate and with which credentials', async () => {
  const cluster = { server: 'https://host:6443/clusters/a/', 'certificate-authority-data': base64('CA'), 'tls-server-name': 'kubernetes' };
  const user = { token: 'secret', 'client-certificate-data': base64('CERT'), 'client-key-data': base64('KEY') };
  const { origin, prefix, tls, credentials } = await connectionOf(configOf(cluster, user));
  assert.deepEqual([origin, prefix], ['https://host:6443', '/clusters/a']);
  assert.deepEqual(tls, { ca: Buffer.from('CA'), cert: Buffer.from('CERT'), key: Buffer.from('KEY'), servername: 'kubernetes' });
  assert.deepEqual(await credentials.headers(), { authorization: 'Bearer secret' });
});

test('a name and password, and somebody to be impersonated, are passed on', async () => {
  const { credentials } = await connectionOf(configOf({ server: 'https://host' }, { username: 'a', password: 'b', as: 'c' }));
  assert.deepEqual(await credentials.headers(), { authorization: 'Basic YTpi', 'impersonate-user': 'c' });
});

test('a kubeconfig without a cluster says what to set', async () => {
  await assert.rejects(connectionOf(new KubeConfig()), /set current-context/);
});
