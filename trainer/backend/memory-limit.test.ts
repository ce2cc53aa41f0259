/** The limit that holds is found under both versions of control groups, in containers and outside, as /proc and /sys show them there. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryLimit } from './memory-limit.ts';

const GIB = 1024 ** 3;
/** As of a machine of 24 GiB. */
const MEMINFO = 'MemTotal:       24673432 kB\nMemFree:         5210348 kB\nMemAvailable:   20971520 kB\nSwapTotal:             0 kB\n';
const machine = { bytes: 24673432 * 1024, source: "the machine's memory", freeBytes: 20 * GIB };
const group = (bytes: number) => ({ bytes, source: "the control group's limit", freeBytes: 20 * GIB });

const cases: readonly (readonly [string, Readonly<Record<string, string>>, object])[] = [
  ['a pod on cgroup v2', { '/proc/self/cgroup': '0::/\n', '/sys/fs/cgroup/memory.max': '8589934592\n' }, group(8 * GIB)],
  ['a pod without a limit on cgroup v2', { '/proc/self/cgroup': '0::/\n', '/sys/fs/cgroup/memory.max': 'max\n' }, machine],
  [
    'a systemd scope whose slice has the limit',
    {
      '/proc/self/cgroup': '0::/user.slice/user-1000.slice/run-17.scope\n',
      '/sys/fs/cgroup/user.slice/user-1000.slice/run-17.scope/memory.max': 'max\n',
      '/sys/fs/cgroup/user.slice/user-1000.slice/memory.max': '4294967296\n',
    },
    group(4 * GIB),
  ],
  [
    'a pod on cgroup v1, which is shown a path of its host',
    {
      '/proc/self/cgroup': '12:cpu,cpuacct:/kubepods/pod1/abc\n5:memory:/kubepods/pod1/abc\n1:name=systemd:/kubepods/pod1/abc\n',
      '/sys/fs/cgroup/memory/memory.limit_in_bytes': '2147483648\n',
    },
    group(2 * GIB),
  ],
  [
    'cgroup v1 without a limit, which is written as a huge number',
    { '/proc/self/cgroup': '5:memory:/\n', '/sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n' },
    machine,
  ],
  ['no control groups', {}, machine],
];

for (const [name, files, expected] of cases) {
  test(`memory limit: ${name}`, () => {
    assert.deepEqual(
      memoryLimit({}, (path) => ({ '/proc/meminfo': MEMINFO, ...files })[path]),
      expected,
    );
  });
}

test('what PGGAN_MEMORY_LIMIT_BYTES says overrides the system, and nonsense in it is refused', () => {
  assert.deepEqual(
    memoryLimit({ PGGAN_MEMORY_LIMIT_BYTES: '1e9' }, (path) => (path === '/proc/meminfo' ? MEMINFO : undefined)),
    { bytes: 1e9, source: 'PGGAN_MEMORY_LIMIT_BYTES', freeBytes: 20 * GIB },
  );
  assert.throws(() => memoryLimit({ PGGAN_MEMORY_LIMIT_BYTES: '8Gi' }, () => undefined), /PGGAN_MEMORY_LIMIT_BYTES is '8Gi'/);
});

test('where the system tells nothing there is no limit', () =>
  assert.equal(
    memoryLimit({}, () => undefined),
    undefined,
  ));
