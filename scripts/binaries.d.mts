export type BinaryName =
  | 'coredns'
  | 'etcd'
  | 'helm'
  | 'kube-apiserver'
  | 'kube-controller-manager'
  | 'kube-proxy'
  | 'kube-scheduler'
  | 'kstatus'
  | 'kubectl'
  | 'kubelet'
  | 'kueue'
  | 'kueue.yaml'
  | 'kwok'
  | 'minio'
  | 'promtool'
  | 'prometheus'
  | 'definitions'
  | 'versitygw';
/** The path at which a binary is, or will be. */
export function binaryPath(name: BinaryName): string;
