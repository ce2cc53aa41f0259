// Builds the servers that tests run against, from Go modules at pinned versions, once per version and machine: etcd and Kubernetes for the
// operator, Kueue for its queues, MinIO and versitygw for stores, Prometheus and promtool for metrics, Helm for the chart; kstatus, a judge whose sources are here;
// and the definitions of other projects' kinds of which we ship objects. Plain JavaScript for Node 20 without dependencies.
// `node scripts/binaries.mjs NAME...`
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cache, locked, log } from './cache.mjs';

const KUBERNETES = 'v1.36.3';
/** Version of the modules that Kubernetes publishes apart (k8s.io/api, ...). */
const STAGING = 'v0.36.3';

const PROMETHEUS = 'v0.316.0';
const KUEUE = 'v0.15.2';

const KSTATUS = join(import.meta.dirname, '../test/judges/kstatus');

/** CustomResourceDefinitions of kinds of which chart, samples or gitops have objects, in the modules of those who define them. */
const DEFINITIONS = [
  {
    module: 'github.com/prometheus-operator/prometheus-operator@v0.85.0',
    files: ['podmonitors', 'prometheusrules', 'servicemonitors'].map(
      (kind) => `example/prometheus-operator-crd/monitoring.coreos.com_${kind}.yaml`,
    ),
  },
  {
    module: 'sigs.k8s.io/kueue@v0.15.2',
    files: ['clusterqueues', 'localqueues', 'resourceflavors', 'workloadpriorityclasses'].map(
      (kind) => `config/components/crd/bases/kueue.x-k8s.io_${kind}.yaml`,
    ),
  },
  {
    module: 'github.com/fluxcd/kustomize-controller@v1.9.6',
    files: ['config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml'],
  },
  { module: 'github.com/argoproj/argo-cd/v3@v3.4.13', files: ['manifests/crds/application-crd.yaml'] },
];

/** Where each binary comes from. `kubernetes` binaries share one module, the others are installed by their package path. */
const BINARIES = {
  coredns: { version: 'v1.14.2', build: install('github.com/coredns/coredns') },
  etcd: { version: 'v3.6.16', build: buildEtcd },
  'kube-apiserver': { version: KUBERNETES, build: buildKubernetes },
  'kube-controller-manager': { version: KUBERNETES, build: buildKubernetes },
  'kube-proxy': { version: KUBERNETES, build: buildKubernetes },
  'kube-scheduler': { version: KUBERNETES, build: buildKubernetes },
  helm: { version: 'v4.3.1', build: install('helm.sh/helm/v4/cmd/helm') },
  kstatus: { version: digestOf(KSTATUS), build: buildHere(KSTATUS) },
  kubectl: { version: KUBERNETES, build: buildKubernetes },
  kubelet: { version: KUBERNETES, build: buildKubernetes },
  kueue: { version: KUEUE, build: buildKueue },
  'kueue.yaml': { version: KUEUE, build: gatherKueue },
  kwok: { version: 'v0.8.0', build: install('sigs.k8s.io/kwok/cmd/kwok') },
  minio: { version: 'v0.0.0-20260212201848-7aac2a2c5b7c', build: install('github.com/minio/minio') },
  versitygw: { version: 'v1.8.0', build: install('github.com/versity/versitygw/cmd/versitygw') },
  promtool: { version: PROMETHEUS, build: install('github.com/prometheus/prometheus/cmd/promtool') },
  prometheus: { version: PROMETHEUS, build: install('github.com/prometheus/prometheus/cmd/prometheus', ['-tags', 'remove_all_sd']) },
  definitions: { version: sha256(JSON.stringify(DEFINITIONS)), build: collectDefinitions },
};

/** The path at which a binary is, or will be. */
export function binaryPath(name) {
  const { version } = BINARIES[name] ?? unknown(name);
  return join(cache, 'bin', `${name}-${version}`);
}

function unknown(name) {
  throw new Error(`there is no binary '${name}' here: ${Object.keys(BINARIES).join(', ')}`);
}

/** Builds what is missing. */
function main(names) {
  for (const name of names) {
    const path = binaryPath(name);
    if (existsSync(path)) continue;
    locked(join(cache, 'bin', `${name}.lock`), () => {
      if (existsSync(path)) return;
      const { version, build } = BINARIES[name];
      log(`building ${name} ${version} from its Go module (minutes, once)`);
      const work = mkdtempSync(join(tmpdir(), 'pggan-build-'));
      try {
        build(work, name, version);
        renameAcross(join(work, 'out'), path);
      } finally {
        rmSync(work, { recursive: true, force: true });
      }
    });
  }
}

/** Runs go; its downloads are of interest only where it fails. */
function go(work, args, env = {}) {
  const options = {
    cwd: work,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: 'pipe',
    env: { ...process.env, CGO_ENABLED: '0', GOFLAGS: '', ...env },
  };
  try {
    return execFileSync('go', args, options);
  } catch (cause) {
    if (cause.code !== 'ENOENT') throw new Error(`go ${args.join(' ')} failed: ${cause.stderr?.slice(-4000) ?? cause.message}`, { cause });
    throw new Error('tests run against servers that are built with Go, and there is no go on the PATH: install Go 1.26 or newer', {
      cause,
    });
  }
}

function install(pkg, flags = []) {
  return (work, _name, version) => {
    const bin = join(work, 'bin');
    go(work, ['install', ...flags, '-trimpath', '-ldflags', '-s -w', `${pkg}@${version}`], { GOBIN: bin });
    renameSync(join(bin, pkg.split('/').at(-1)), join(work, 'out'));
  };
}

/** A program whose sources are here: its version is what they say. */
function digestOf(folder) {
  const hash = createHash('sha256');
  for (const file of readdirSync(folder).sort()) hash.update(`${file}\n`).update(readFileSync(join(folder, file)));
  return hash.digest('hex').slice(0, 16);
}

function sha256(text) {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** One file with all of them. */
function collectDefinitions(work) {
  const documents = DEFINITIONS.flatMap(({ module, files }) => {
    const { Dir: folder } = JSON.parse(go(work, ['mod', 'download', '-json', module]));
    return files.map((file) => readFileSync(join(folder, file), 'utf8'));
  });
  writeFileSync(join(work, 'out'), documents.join('\n---\n'));
}

function buildHere(folder) {
  return (work) => buildFrom(folder, '.', work);
}

function buildFrom(folder, pkg, work) {
  go(folder, ['build', '-mod=readonly', '-trimpath', '-ldflags', '-s -w', '-o', join(work, 'out'), pkg]);
}

function buildEtcd(work, _name, version) {
  writeFileSync(join(work, 'go.mod'), 'module etcd\n\ngo 1.26.0\n');
  writeFileSync(
    join(work, 'main.go'),
    'package main\n\nimport (\n\t"os"\n\n\t"go.etcd.io/etcd/server/v3/etcdmain"\n)\n\nfunc main() { etcdmain.Main(os.Args) }\n',
  );
  go(work, ['get', `go.etcd.io/etcd/server/v3@${version}`]);
  go(work, ['mod', 'tidy']);
  go(work, ['build', '-trimpath', '-ldflags', '-s -w', '-o', join(work, 'out'), '.']);
}

/** Its go.mod replaces modules, which `go install` refuses: it is built in its own folder. */
function buildKueue(work, _name, version) {
  buildFrom(kueueFolder(work, version), './cmd/kueue', work);
}

/** Its kinds and its webhooks, as its repository has them: they name a Service, which whoever runs it has to change. */
function gatherKueue(work, _name, version) {
  const config = join(kueueFolder(work, version), 'config/components');
  const kinds = readdirSync(join(config, 'crd/bases')).map((file) => join(config, 'crd/bases', file));
  const parts = [...kinds.sort(), join(config, 'webhook/manifests.yaml')].map((file) => readFileSync(file, 'utf8'));
  writeFileSync(join(work, 'out'), parts.join('\n---\n'));
}

function kueueFolder(work, version) {
  return JSON.parse(go(work, ['mod', 'download', '-json', `sigs.k8s.io/kueue@${version}`])).Dir;
}

/** k8s.io/kubernetes cannot be imported as it stands: its staging modules need replace directives, which its own go.mod lists. */
function buildKubernetes(work, name, version) {
  const info = JSON.parse(go(work, ['mod', 'download', '-json', `k8s.io/kubernetes@${version}`]));
  const staged = [...readFileSync(info.GoMod, 'utf8').matchAll(/^\s*(k8s\.io\/[a-z-]+) => \.\/staging/gm)].map(([, module]) => module);
  const replaced = [...new Set(staged)].map((module) => `\t${module} => ${module} ${STAGING}`);
  writeFileSync(
    join(work, 'go.mod'),
    `module kubernetes\n\ngo 1.26.0\n\nrequire k8s.io/kubernetes ${version}\n\nreplace (\n${replaced.join('\n')}\n)\n`,
  );
  writeFileSync(join(work, 'tools.go'), `//go:build tools\n\npackage tools\n\nimport _ "k8s.io/kubernetes/cmd/${name}"\n`);
  go(work, ['mod', 'tidy']);
  const stamp = ['gitVersion', version, 'gitMajor', version.slice(1).split('.')[0], 'gitMinor', version.split('.')[1]];
  const flags = [0, 2, 4].map((at) => `-X k8s.io/component-base/version.${stamp[at]}=${stamp[at + 1]}`);
  go(work, ['build', '-trimpath', '-ldflags', ['-s', '-w', ...flags].join(' '), '-o', join(work, 'out'), `k8s.io/kubernetes/cmd/${name}`]);
}

/** A rename that also works from one file system to another: nobody sees half a binary. */
function renameAcross(from, to) {
  mkdirSync(join(to, '..'), { recursive: true });
  const beside = `${to}.${process.pid}.tmp`;
  execFileSync('cp', [from, beside]);
  renameSync(beside, to);
}

if (process.argv[1] === import.meta.filename) {
  try {
    main(process.argv.slice(2));
  } catch (error) {
    log(error.message);
    process.exit(1);
  }
}
