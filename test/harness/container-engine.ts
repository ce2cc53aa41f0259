/** A containerd of the tests' own: its images, containers and mounts are below one folder, and gone after it is stopped. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, commandOf, done } from './command.ts';
import { exhaustMemory } from './control-groups.ts';
import { until } from './kube.ts';
import type { NodeNetwork } from './node-network.ts';
import { type ServerProcess, startServer } from './server-process.ts';

export type ContainerEngine = {
  readonly socket: string;
  readonly process: ServerProcess;
  /** Takes the images of an archive, under the names that they have in there. */
  importImages(archive: string): Promise<void>;
  /** Another name of an image. */
  tag(image: string, name: string): Promise<void>;
  /** `kill -9` of a pod's container, by nobody that Kubernetes knows of. */
  killContainer(pod: string, container: string): Promise<void>;
  /** Has the kernel kill a pod's container for want of memory; returns when it has. */
  exhaustMemory(pod: string, container: string): Promise<void>;
  stop(): Promise<void>;
};

/** @param pauseImage the image of pods' sandboxes, imported before the first pod */
export async function startContainerEngine(folder: string, network: NodeNetwork, pauseImage: string): Promise<ContainerEngine> {
  const socket = join(folder, 'containerd.sock');
  const networks = join(folder, 'cni');
  mkdirSync(networks, { recursive: true });
  writeFileSync(join(networks, '10-pods.conflist'), JSON.stringify(podNetwork(folder, network)));
  const config = join(folder, 'containerd.toml');
  writeFileSync(config, configOf({ folder, socket, networks, pauseImage }));
  const [program, ...args] = network.within('containerd', '--config', config);
  const server = startServer(program, args, join(folder, 'containerd.log'));
  const ctr = commandOf('ctr', ['--address', socket, '--namespace', 'k8s.io']);
  await until(async () => {
    if (!server.running()) throw new Error(`containerd ended before it was ready: ${server.output()}`);
    return existsSync(socket) && (await ctr(['version'])).code === 0;
  });
  return {
    socket,
    process: server,
    importImages: async (archive) => void (await done(ctr, ['images', 'import', archive])),
    tag: async (image, name) => void (await done(ctr, ['images', 'tag', '--force', image, name])),
    async killContainer(pod, container) {
      await done(ctr, ['tasks', 'kill', '--signal', 'SIGKILL', await containerOf(ctr, pod, container)]);
    },
    async exhaustMemory(pod, container) {
      const processes = await done(ctr, ['tasks', 'ps', await containerOf(ctr, pod, container)]);
      await exhaustMemory(Number(/^\d+/m.exec(processes)?.[0]));
    },
    async stop() {
      const spaces = await removeContainers(ctr);
      await server.kill();
      for (const space of spaces) quietly('ip', 'netns', 'del', space);
      for (const mount of mountsBelow(folder)) quietly('umount', mount);
    },
  };
}

async function containerOf(ctr: Command, pod: string, container: string): Promise<string> {
  const selected = `labels."io.kubernetes.pod.name"==${pod},labels."io.kubernetes.container.name"==${container}`;
  return (await done(ctr, ['containers', 'ls', '-q', selected])).trim();
}

type Places = { readonly folder: string; readonly socket: string; readonly networks: string; readonly pauseImage: string };

const configOf = ({ folder, socket, networks, pauseImage }: Places): string => `version = 2
root = "${folder}/containerd"
state = "${folder}/containerd-state"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.opt"]
[grpc]
  address = "${socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pauseImage}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${networks}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
`;

function podNetwork(folder: string, { podRange }: NodeNetwork): object {
  const ipam = { type: 'host-local', dataDir: join(folder, 'ipam'), ranges: [[{ subnet: podRange }]], routes: [{ dst: '0.0.0.0/0' }] };
  const bridge = { type: 'bridge', bridge: 'cni0', isGateway: true, ipMasq: false, hairpinMode: true, ipam };
  return { cniVersion: '0.4.0', name: 'pods', plugins: [bridge, { type: 'portmap', capabilities: { portMappings: true } }] };
}

/** Ends all containers; the names of their network namespaces, which are nobody's then. */
async function removeContainers(ctr: Command): Promise<readonly string[]> {
  const spaces = new Set<string>();
  for (const id of (await ctr(['containers', 'ls', '-q'])).stdout.split('\n').filter(Boolean)) {
    const [, space] = /\/netns\/(cni-[0-9a-f-]+)/.exec((await ctr(['containers', 'info', id])).stdout) ?? [];
    if (space !== undefined) spaces.add(space);
    await ctr(['tasks', 'kill', '--signal', '9', id]);
    await ctr(['tasks', 'rm', '--force', id]);
    await ctr(['containers', 'rm', id]);
  }
  return [...spaces];
}

/** The innermost first. */
function mountsBelow(folder: string): readonly string[] {
  return readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((path) => path.startsWith(`${folder}/`))
    .sort()
    .toReversed();
}

function quietly(program: string, ...args: readonly string[]): void {
  try {
    execFileSync(program, args, { stdio: 'ignore' });
  } catch {
    // It is gone already.
  }
}
