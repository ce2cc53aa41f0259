/** What the tools that watch objects make of ours, by where they stand: each state has one, and test/health.test.ts asks the real tools. */
export type Health = keyof typeof HEALTH;

export const HEALTH = {
  /** Something goes on by itself, or soon will. */
  working: { kstatus: 'InProgress', argo: 'Progressing', flux: 'InProgress' },
  /** A person must act. */
  failed: { kstatus: 'Failed', argo: 'Degraded', flux: 'Failed' },
  /** As it was asked for: stopped. Only Argo CD has a word for it. */
  suspended: { kstatus: 'Current', argo: 'Suspended', flux: 'Current' },
  done: { kstatus: 'Current', argo: 'Healthy', flux: 'Current' },
  /** On its way out of the cluster. */
  going: { kstatus: 'Terminating', argo: 'Progressing', flux: 'InProgress' },
} as const;
