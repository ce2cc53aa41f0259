/** How the ends of a Job's pods count: podFailurePolicy, backoffLimit and completions, as batch/v1 has them. */
import type { Job, Pod } from '../../operator/kube/resource.ts';

type End = { readonly succeeded: boolean; readonly reason: string; readonly message: string };

export type Outcome = {
  readonly succeeded: number;
  /** Ends that count. */
  readonly failed: number;
  readonly succeededPods: readonly Pod[];
  /** Indexes that are given up. */
  readonly failedIndexes: ReadonlySet<number>;
  readonly end?: End;
};

type Action = 'Ignore' | 'Count' | 'FailIndex' | 'FailJob';

export function outcomeOf(job: Job, pods: readonly Pod[]): Outcome {
  const succeededPods = pods.filter(({ status }) => status?.phase === 'Succeeded');
  const ended = pods.filter(({ status }) => status?.phase === 'Failed').map((pod) => ({ pod, ...ruleOf(job, pod) }));
  const counted = ended.filter(({ action }) => action !== 'Ignore');
  const { completions = 1, backoffLimit = 6, backoffLimitPerIndex } = job.spec ?? {};
  const failedIndexes = new Set(
    counted
      .map(({ pod }) => indexOf(pod))
      .filter((index, _, all) => {
        const failures = all.filter((other) => other === index).length;
        const given = counted.some(({ pod, action }) => action === 'FailIndex' && indexOf(pod) === index);
        return given || (backoffLimitPerIndex !== undefined && failures > backoffLimitPerIndex);
      }),
  );
  const indexes = new Set(succeededPods.map(indexOf));
  const base = { succeeded: indexes.size, failed: counted.length, succeededPods, failedIndexes };
  const fatal = counted.find(({ action }) => action === 'FailJob');
  if (fatal) {
    const { pod, rule } = fatal;
    const who = `Container trainer for pod ${pod.metadata?.namespace}/${pod.metadata?.name}`;
    const message = `${who} failed with exit code ${exitCodeOf(pod)} matching FailJob rule at index ${rule}`;
    return { ...base, end: { succeeded: false, reason: 'PodFailurePolicy', message } };
  }
  if (indexes.size >= completions)
    return { ...base, end: { succeeded: true, reason: 'CompletionsReached', message: 'Reached expected number of succeeded pods' } };
  if (backoffLimitPerIndex === undefined && counted.length > backoffLimit)
    return { ...base, end: { succeeded: false, reason: 'BackoffLimitExceeded', message: 'Job has reached the specified backoff limit' } };
  if (failedIndexes.size > 0 && failedIndexes.size + indexes.size >= completions)
    return { ...base, end: { succeeded: false, reason: 'FailedIndexes', message: 'Job has failed indexes' } };
  return base;
}

/** The first rule that matches the end of a pod. */
function ruleOf(job: Job, pod: Pod): { readonly action: Action; readonly rule: number } {
  const code = exitCodeOf(pod);
  const rules = job.spec?.podFailurePolicy?.rules ?? [];
  const rule = rules.findIndex(({ onExitCodes, onPodConditions }) => {
    if (onExitCodes) return code !== undefined && onExitCodes.values.includes(code) === (onExitCodes.operator === 'In');
    return onPodConditions?.some(({ type }) =>
      pod.status?.conditions?.some((condition) => condition.type === type && condition.status === 'True'),
    );
  });
  return { action: (rules[rule]?.action as Action | undefined) ?? 'Count', rule };
}

function exitCodeOf({ status }: Pod): number | undefined {
  return status?.containerStatuses?.find(({ name }) => name === 'trainer')?.state?.terminated?.exitCode;
}

function indexOf({ metadata }: Pod): number {
  return Number(metadata?.annotations?.['batch.kubernetes.io/job-completion-index'] ?? 0);
}
