/** Two processes of the operator, as a Deployment of two replicas: one leads, the other stands by; who has ended is started again at once. */
import { join } from 'node:path';
import type { Kube } from '../../operator/kube/client.ts';
import { createReflector } from '../../operator/kube/reflector.ts';
import { type Lease, LEASES } from '../../operator/kube/resource.ts';
import { operatorProcess, type ProgramOptions } from './operator-process.ts';
import { type Usage, usageOf } from './processes.ts';
import type { ServerProcess } from './server-process.ts';

const LEASE = { namespace: 'pggan-system', name: 'pggan-operator' };

export type OperatorPair = {
  /** Returns when one of them leads. */
  leads(): Promise<void>;
  /** kill -9 of the one that leads; returns the seconds until the other one led. */
  killLeader(): Promise<number>;
  /** What all processes of the pair have taken, those that were killed included; not what those took that ended by themselves. */
  usage(): Usage;
  /** How often one ended by itself, as it does when it could not renew its lease in time. */
  readonly exits: number;
  /** What the one that leads has said last. */
  lastSaid(pattern: RegExp): Promise<string | undefined>;
  stop(): Promise<void>;
};

export type PairOptions = {
  /** The admin's client. */
  readonly kube: Kube;
  readonly kubeconfig: string;
  readonly folder: string;
  readonly flags: Parameters<typeof operatorProcess>[2];
} & ProgramOptions;

export function startOperatorPair({ kube, kubeconfig, folder, flags, ...program }: PairOptions): OperatorPair {
  const start = (name: string): ServerProcess => operatorProcess(kubeconfig, join(folder, `operator-${name}.log`), flags, program);
  const operators = [start('a'), start('b')];
  let past: Usage = { cpuSeconds: 0, peakBytes: 0 };
  const stop = new AbortController();
  let changed = Promise.withResolvers<void>();
  const leases = createReflector<Lease, Lease>({
    kube,
    resource: LEASES,
    namespace: LEASE.namespace,
    project: (lease) => lease,
    onChange: () => changed.resolve(),
  });
  const watching = leases.run(stop.signal);
  let victim: ServerProcess | undefined;
  let exits = 0;
  for (const operator of operators) void supervise(operator);

  async function supervise(operator: ServerProcess): Promise<void> {
    for (;;) {
      await operator.ended;
      if (stop.signal.aborted) return;
      if (operator !== victim) exits += 1;
      victim = undefined;
      operator.restart();
    }
  }

  const holder = (): string | undefined => leases.store.get(`${LEASE.namespace}/${LEASE.name}`)?.spec?.holderIdentity || undefined;
  const leader = (): ServerProcess | undefined =>
    operators.find((operator) => operator.running() && operator.lastSaid(/"instance":"([^"]+)"/) === holder());
  /** Returns when one of them leads that is not `before`. */
  async function leads(before?: string): Promise<ServerProcess> {
    for (;;) {
      changed = Promise.withResolvers();
      if (stop.signal.aborted) throw new Error('the operators have been stopped');
      const found = holder() === before ? undefined : leader();
      if (found) return found;
      await changed.promise;
    }
  }
  const usage = (): Usage => operators.filter((one) => one.running()).reduce((sum, { pid }) => together(sum, usageOf(pid)), past);

  return {
    usage,
    get exits() {
      return exits;
    },
    leads: async () => void (await leads()),
    async killLeader() {
      victim = await leads();
      const identity = holder();
      past = together(past, usageOf(victim.pid));
      const killedAt = performance.now();
      await victim.kill();
      await leads(identity);
      return (performance.now() - killedAt) / 1000;
    },
    lastSaid: async (pattern) => (await leads()).lastSaid(pattern),
    async stop() {
      stop.abort();
      changed.resolve();
      for (const operator of operators) await operator.kill();
      await watching;
    },
  };
}

function together(a: Usage, b: Usage): Usage {
  return { cpuSeconds: a.cpuSeconds + b.cpuSeconds, peakBytes: Math.max(a.peakBytes, b.peakBytes) };
}
