// libtensorflow, from the Python wheels of TensorFlow: which it is, where it is kept, and how it gets there. PGGAN_TENSORFLOW=gpu asks for the
// one that computes on NVIDIA GPUs, with CUDA from NVIDIA's own wheels beside it, where it looks for them.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cache, log } from './cache.mjs';

const VERSION = '2.19.1';
const VARIANTS = {
  cpu: {
    wheels: [{ name: 'tensorflow-cpu', version: VERSION, sha256: '2cb4b20fa86b04c166db1616fd466d09ec850cc3b47607cf12225469e750c476' }],
    megabytes: 252,
  },
  /**
   * What `tensorflow[and-cuda]` names, without what nothing here looks for: the compiler of CUDA, which only XLA calls, cuRAND, and NCCL, which
   * libtensorflow has inside.
   */
  gpu: {
    wheels: [
      { name: 'tensorflow', version: VERSION, sha256: '35a6950f3fee0ad2d1668241d31684676f2e6eceb613cbeef960ea22014ef8fb' },
      { name: 'nvidia-cublas-cu12', version: '12.5.3.2', sha256: 'ca070ad70e9fa6654084575d01bd001f30cc4665e33d4bb9fc8e0f321caa034b' },
      { name: 'nvidia-cuda-cupti-cu12', version: '12.5.82', sha256: 'bde77a5feb66752ec61db2adfe47f56b941842825b4c7e2068aff27c9d107953' },
      { name: 'nvidia-cuda-nvrtc-cu12', version: '12.5.82', sha256: '3dbd97b0104b4bfbc3c4f8c79cd2496307c89c43c29a9f83125f1d76296ff3fd' },
      { name: 'nvidia-cuda-runtime-cu12', version: '12.5.82', sha256: '3e79a060e126df40fd3a068f3f787eb000fa51b251ec6cd97d09579632687115' },
      { name: 'nvidia-cudnn-cu12', version: '9.3.0.75', sha256: '9ad9c6929ebb5295eb4a1728024666d1c88283373e265a0c5c883e6f9d5cd76d' },
      { name: 'nvidia-cufft-cu12', version: '11.2.3.61', sha256: '9a6e8df162585750f61983a638104a48c756aa13f9f48e19ab079b38e3c828b8' },
      { name: 'nvidia-cusolver-cu12', version: '11.6.3.83', sha256: '93cfafacde4428b71778eeb092ec615a02a3d05404da1bcf91c53e3fa1bce42b' },
      { name: 'nvidia-cusparse-cu12', version: '12.5.1.3', sha256: '016df8e993c437e8301e62739f01775cba988fd5253cd4c64173f8e8d2f8e752' },
      { name: 'nvidia-nvjitlink-cu12', version: '12.5.82', sha256: 'f9b37bc5c8cf7509665cb6ada5aaa0ce65618f2332b7d3e78e9790511f111212' },
    ],
    megabytes: 2187,
  },
};

const variant = process.env.PGGAN_TENSORFLOW ?? 'cpu';
if (!(variant in VARIANTS)) throw new Error(`PGGAN_TENSORFLOW is '${variant}': use ${Object.keys(VARIANTS).join(' or ')}`);
const { wheels, megabytes } = VARIANTS[variant];
const [first] = wheels;

/** `folder` holds `tensorflow/` with the libraries and, in set-up, the headers; `files` are what a process needs, once they are there. */
export const libtensorflow = {
  wheels,
  folder: join(cache, `${first.name}-${VERSION}`),
  get files() {
    return filesIn(this.folder).filter((file) => isRuntime(file));
  },
};

/** Parts of wheels that are unpacked: what the addon is compiled and run against. cusolverMg is for several GPUs. */
const PARTS = /^tensorflow\/(libtensorflow_(cc|framework)\.so\.2$|include\/)|^nvidia\/[^/]+\/lib\/(?!libcusolverMg).*\.so/;
const isRuntime = (file) => !file.startsWith('tensorflow/include/') && file !== 'complete';

/** Unpacks the wheels, unless they have been. */
export function fetchLibtensorflow() {
  const { folder } = libtensorflow;
  if (existsSync(join(folder, 'complete'))) return;
  log(`fetching libtensorflow ${VERSION} (${megabytes} MB, from the TensorFlow wheel)`);
  const work = `${folder}.${process.pid}.tmp`;
  mkdirSync(work, { recursive: true });
  try {
    for (const wheel of wheels) unpack(wheel, work);
    writeFileSync(join(work, 'complete'), '');
    rmSync(folder, { recursive: true, force: true });
    renameSync(work, folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** pip looks for a fixed interpreter, whatever Python is here. One platform has two names: TensorFlow's wheels bear both, NVIDIA's the older. */
const PLATFORMS = ['manylinux_2_17_x86_64', 'manylinux2014_x86_64'].flatMap((platform) => ['--platform', platform]);
const TARGET = ['--python-version', '3.12', '--implementation', 'cp', '--abi', 'cp312', ...PLATFORMS];

function unpack({ name, version, sha256 }, work) {
  const download = ['download', '-q', '--disable-pip-version-check', '--no-deps', '--only-binary=:all:'];
  python(['-m', 'pip', ...download, ...TARGET, '-d', work, `${name}==${version}`]);
  const wheel = join(work, readdirSync(work).find((file) => file.endsWith('.whl')) ?? '');
  const got = createHash('sha256').update(readFileSync(wheel)).digest('hex');
  if (got !== sha256) throw new Error(`the wheel of ${name} ${version} has SHA-256 ${got}, expected ${sha256}: refusing to use it`);
  python(['-c', UNPACK, wheel, work, PARTS.source]);
  rmSync(wheel);
}

/** cuDNN looks for the run-time compiler beside itself in nvrtc/lib; its wheel calls the folder cuda_nvrtc. */
const UNPACK = `
import re, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    for part in wheel.infolist():
        if re.search(sys.argv[3], part.filename) and not part.is_dir():
            part.filename = part.filename.replace('nvidia/cuda_nvrtc/', 'nvidia/nvrtc/')
            wheel.extract(part, sys.argv[2])
`;

function python(args) {
  execFileSync('python3', args, { stdio: ['ignore', 2, 2] });
}

function filesIn(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}
