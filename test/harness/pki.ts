/** A certificate authority for one control plane: server and client certificates by openssl, and the key that signs service account tokens. */
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Who a client certificate says its holder is: the API server takes the common name for the user and organisations for groups. */
export type Identity = { readonly user: string; readonly groups: readonly string[] };

export type Certificate = { readonly certFile: string; readonly keyFile: string; readonly cert: string; readonly key: string };

export type Authority = {
  readonly caFile: string;
  readonly ca: string;
  readonly serviceAccountKeyFile: string;
  readonly serviceAccountPublicKeyFile: string;
  server(name: string, altNames: readonly string[]): Certificate;
  client(identity: Identity): Certificate;
};

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-sha256'];

/** Makes an authority whose files are kept in `folder`. Valid for two days. */
export function createAuthority(folder: string): Authority {
  const [caFile, caKeyFile] = [join(folder, 'ca.crt'), join(folder, 'ca.key')];
  const usage = 'keyUsage=critical,keyCertSign,cRLSign,digitalSignature';
  openssl(['-subj', '/CN=pggan-test-ca', '-keyout', caKeyFile, '-out', caFile, '-addext', usage]);

  const issue = (file: string, subject: string, extensions: readonly string[]): Certificate => {
    const [certFile, keyFile] = [join(folder, `${file}.crt`), join(folder, `${file}.key`)];
    const all = ['basicConstraints=critical,CA:FALSE', 'keyUsage=critical,digitalSignature', ...extensions];
    const signed = ['-CA', caFile, '-CAkey', caKeyFile, '-keyout', keyFile, '-out', certFile];
    openssl(['-subj', subject, ...signed, ...all.flatMap((extension) => ['-addext', extension])]);
    return { certFile, keyFile, cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
  };
  return {
    caFile,
    ca: readFileSync(caFile, 'utf8'),
    ...serviceAccountKeys(folder),
    server: (name, altNames) => issue(name, `/CN=${name}`, ['extendedKeyUsage=serverAuth', `subjectAltName=${altNames.join(',')}`]),
    client: ({ user, groups }) =>
      issue(`client-${user.replaceAll(/[^A-Za-z0-9]+/g, '-')}`, `${groups.map((group) => `/O=${group}`).join('')}/CN=${user}`, [
        'extendedKeyUsage=clientAuth',
      ]),
  };
}

function openssl(args: readonly string[]): void {
  execFileSync('openssl', ['req', '-x509', ...NEW_KEY, ...args], { stdio: 'pipe' });
}

function serviceAccountKeys(folder: string): Pick<Authority, 'serviceAccountKeyFile' | 'serviceAccountPublicKeyFile'> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  const [serviceAccountKeyFile, serviceAccountPublicKeyFile] = [join(folder, 'sa.key'), join(folder, 'sa.pub')];
  writeFileSync(serviceAccountKeyFile, privateKey, { mode: 0o600 });
  writeFileSync(serviceAccountPublicKeyFile, publicKey);
  return { serviceAccountKeyFile, serviceAccountPublicKeyFile };
}
