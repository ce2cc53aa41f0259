export type BinaryName =
  | 'etcd'
  | 'helm'
  | 'kube-apiserver'
  | 'kube-controller-manager'
  | 'kube-scheduler'
  | 'kstatus'
  | 'kubectl'
  | 'kwok'
  | 'minio'
  | 'promtool'
  | 'prometheus'
  | 'definitions'
  | 'versitygw';
/** The path at which a binary is, or will be. */
export function binaryPath(name: BinaryName): string;
