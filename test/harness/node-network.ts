/** The network of a node: a namespace of its own, a cable from there to this machine, and routes to its pods. Nothing of it leaves this machine. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';

export type NodeNetwork = {
  /** Of this machine, as the node and its pods see it. */
  readonly hostAddress: string;
  readonly nodeAddress: string;
  readonly podRange: string;
  /** The command line that runs another one inside. */
  within(...argv: readonly string[]): readonly [string, ...string[]];
  remove(): void;
};

/** Processes that test at the same time have networks of their own. */
export function createNodeNetwork(): NodeNetwork {
  const name = `pggan-${process.pid}`;
  const [outside, inside] = [`pg${process.pid}h`, `pg${process.pid}n`];
  const number = 1 + (process.pid % 250);
  const [hostAddress, nodeAddress, podRange] = [`10.99.${number}.1`, `10.99.${number}.2`, `10.244.${number}.0/24`];
  // Not `ip netns exec`: it mounts /sys anew, where control groups are not seen.
  const within = (...argv: readonly string[]): readonly [string, ...string[]] => ['nsenter', `--net=/var/run/netns/${name}`, ...argv];
  const remove = (): void => {
    for (const args of [
      ['link', 'del', outside],
      ['netns', 'del', name],
    ]) {
      try {
        ip(args);
      } catch {
        // It was not made, or went with the other.
      }
    }
  };
  mkdirSync('/var/run/netns', { recursive: true });
  try {
    ip(['netns', 'add', name]);
    ip(['link', 'add', outside, 'type', 'veth', 'peer', 'name', inside]);
    ip(['link', 'set', inside, 'netns', name]);
    ip(['addr', 'add', `${hostAddress}/30`, 'dev', outside]);
    ip(['link', 'set', outside, 'up']);
    const there = (...args: readonly string[]): void => run(within('ip', ...args));
    there('link', 'set', 'lo', 'up');
    there('addr', 'add', `${nodeAddress}/30`, 'dev', inside);
    there('link', 'set', inside, 'up');
    there('route', 'add', 'default', 'via', hostAddress);
    ip(['route', 'add', podRange, 'via', nodeAddress]);
    run(within('sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables || true'));
  } catch (error) {
    remove();
    throw error;
  }
  return { hostAddress, nodeAddress, podRange, within, remove };
}

const ip = (args: readonly string[]): void => run(['ip', ...args]);

function run([program = '', ...args]: readonly string[]): void {
  execFileSync(program, args, { stdio: 'pipe' });
}
