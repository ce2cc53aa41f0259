/** What a running trainer is doing, in the words of the status. */
import type { Waiting } from '../../crds/progress.ts';
import type { Verdict } from './conditions.ts';
import { type Decision, verdict } from './decision.ts';
import { secondsSince } from './follow.ts';
import type { Observed, Task } from './observed.ts';

/** The verdict on a running pod. Only a fresh document whose images stand still for `deadlineSeconds` is called stalled: silence is not. */
export function working(task: Task, seen: Observed, deadlineSeconds: number, now: Date): Omit<Decision, 'actions'> {
  if (task.kind === 'preflight') return { verdict: verdict('working', 'Preflight', 'Checking store, dataset and run folder.') };
  const progress = seen.progress?.document.resolution === task.resolution ? seen.progress : undefined;
  if (!progress?.fresh) return { verdict: verdict('working', 'Training', `Training at ${sizeOf(task.resolution)}.`) };
  if (progress.document.waiting) return awaiting(progress.document.waiting, deadlineSeconds, now);
  const left = deadlineSeconds - secondsSince(progress.unmovedSince, now);
  if (left > 0) return { verdict: said(progress.document), lookAgainSeconds: left };
  return {
    verdict: verdict(
      'hindered',
      'NoProgress',
      `No image was trained on for ${deadlineSeconds} s though the trainer answers; it goes on by itself if images advance.`,
    ),
  };
}

/** A trainer that waits for its store, such as for room on a disk: it is at work, and goes on by itself, but a person may have to help. */
function awaiting({ code, message, since }: Waiting, deadlineSeconds: number, now: Date): Omit<Decision, 'actions'> {
  const left = deadlineSeconds - secondsSince(since, now);
  const text = `${message}; training waits, and goes on by itself`;
  return left > 0 ? { verdict: verdict('waiting', code, text), lookAgainSeconds: left } : { verdict: verdict('hindered', code, text) };
}

function said({ state, resolution }: NonNullable<Observed['progress']>['document']): Verdict {
  const size = sizeOf(resolution);
  switch (state) {
    case 'FadingIn':
      return verdict('working', 'FadingIn', `Fading in ${size}.`);
    case 'Checkpointing':
      return verdict('working', 'Checkpointing', `Saving a checkpoint at ${size}.`);
    case 'Starting':
      return verdict('working', 'Starting', `The trainer of ${size} starts.`);
    case 'Training':
    case 'Complete':
    case 'Stopped':
    case 'Failed':
      return verdict('working', 'Training', `Training at ${size}.`);
  }
}

const sizeOf = (resolution: number): string => `${resolution}x${resolution}`;
