/** The command line of the operator; every option can be given by an environment variable, too. */
import { type Command, Option } from 'commander';
import { PgganError } from '../crds/errors.ts';

export type Flags = {
  readonly namespace: readonly string[];
  readonly trainerImage: string;
  readonly trainerGpuImage?: string;
  readonly cluster: string;
  readonly lease: string;
  readonly trainerPort: string;
  readonly telemetryPort: string;
  readonly pollSeconds: string;
  readonly podProxy: boolean;
  readonly logLevel: string;
};

export function withFlags(command: Command): Command {
  return command
    .description('runs PGGANTrainings and SynthesisJobs on the cluster of the current kubeconfig, or of the pod it runs in')
    .addOption(
      option(
        '--namespace <name>',
        'looks after this namespace only; may be given several times, or as a list with commas',
        'PGGAN_NAMESPACES',
      )
        .argParser(namespaces)
        .default([], 'all'),
    )
    .addOption(
      option('--trainer-image <image>', 'image of the trainer where a manifest names none', 'PGGAN_TRAINER_IMAGE').makeOptionMandatory(),
    )
    .addOption(
      option(
        '--trainer-gpu-image <image>',
        'the same for manifests whose pods are promised a GPU; else they get that of all',
        'PGGAN_TRAINER_GPU_IMAGE',
      ),
    )
    .addOption(
      option('--cluster <name>', 'name of this cluster, by which the owner of a run folder is told from others', 'PGGAN_CLUSTER').default(
        'default',
      ),
    )
    .addOption(option('--lease <namespace/name>', 'the lease of the leader', 'PGGAN_LEASE').default('pggan-system/pggan-operator'))
    .addOption(option('--trainer-port <port>', 'port of /progress in trainer pods', 'PGGAN_TRAINER_PORT').default('8080'))
    .addOption(option('--telemetry-port <port>', 'port of /metrics, /livez and /readyz', 'PGGAN_TELEMETRY_PORT').default('8081'))
    .addOption(
      option('--poll-seconds <seconds>', 'how often a trainer is asked for its progress, at least', 'PGGAN_POLL_SECONDS').default('15'),
    )
    .addOption(
      // As an environment variable it is on or off by its value: a plain switch would be on as soon as the variable is there.
      option(
        '--pod-proxy [true|false]',
        'asks trainers through the API server (get on pods/proxy): outside of the cluster',
        'PGGAN_POD_PROXY',
      )
        .preset('true')
        .argParser(onOrOff)
        .default(false),
    )
    .addOption(option('--log-level <level>', 'trace, debug, info, warn, error', 'PGGAN_LOG_LEVEL').default('info'));
}

function option(flags: string, description: string, variable: string): Option {
  return new Option(flags, description).env(variable);
}

/** @throws {PgganError} UsageInvalid for what can be no namespace: it would be watched in vain */
function namespaces(text: string, before: readonly string[]): readonly string[] {
  const names = text.split(',').filter((name) => name !== '');
  const wrong = names.find((name) => !/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name));
  if (wrong !== undefined) throw new PgganError('UsageInvalid', `"${wrong}" is no name of a namespace: see the operator's --help`);
  return [...new Set([...before, ...names])];
}

/** @throws {PgganError} UsageInvalid */
function onOrOff(text: string): boolean {
  if (text === 'true') return true;
  if (text === 'false' || text === '') return false;
  throw new PgganError('UsageInvalid', `"${text}" is neither true nor false: see the operator's --help`);
}

/** @throws {PgganError} UsageInvalid */
export function numberOf(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value >= 0) return value;
  throw new PgganError('UsageInvalid', `"${text}" is no number: see the operator's --help`);
}
