/** The controller manager and the scheduler of a control plane: Jobs get pods, pods get nodes, what is deleted goes with all that it owns. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ControlPlane } from './control-plane.ts';
import { type ServerProcess, startServer } from './server-process.ts';

export type ControllerBinaries = { readonly 'kube-controller-manager': string; readonly 'kube-scheduler': string };

/** Both end with the process that started them. */
export function startControllers(plane: ControlPlane, binaries: ControllerBinaries): readonly ServerProcess[] {
  const { folder, authority } = plane;
  const manager = plane.kubeconfigOf({ user: 'system:kube-controller-manager', groups: [] });
  const scheduler = plane.kubeconfigOf({ user: 'system:kube-scheduler', groups: [] });
  const config = join(folder, 'scheduler.json');
  writeFileSync(
    config,
    JSON.stringify({
      apiVersion: 'kubescheduler.config.k8s.io/v1',
      kind: 'KubeSchedulerConfiguration',
      clientConnection: { kubeconfig: scheduler },
      leaderElection: { leaderElect: false },
    }),
  );
  return [
    startServer(
      binaries['kube-controller-manager'],
      [
        `--kubeconfig=${manager}`,
        `--service-account-private-key-file=${authority.serviceAccountKeyFile}`,
        `--root-ca-file=${authority.caFile}`,
        '--use-service-account-credentials',
        '--leader-elect=false',
        '--secure-port=0',
        '--node-monitor-grace-period=12s',
      ],
      join(folder, 'kube-controller-manager.log'),
    ),
    startServer(binaries['kube-scheduler'], [`--config=${config}`, '--secure-port=0'], join(folder, 'kube-scheduler.log')),
  ];
}
