/** Carries out what a plan decided, with processes for Jobs. */
import type { Action } from '../training/decision.ts';
import type { Jobs } from './jobs.ts';
import type { Program } from './processes.ts';

/** `program` says how the process of a new Job is started. */
export function carryOut<Task>(
  action: Action<Task>,
  jobs: Jobs<Task>,
  program: (create: Extract<Action<Task>, { kind: 'createJob' }>) => Program,
): void {
  switch (action.kind) {
    case 'createJob': {
      const { name, task, digest, backoffLimit } = action;
      jobs.create({ name, task, digest, backoffLimit, program: program(action) });
      return;
    }
    case 'deleteJob':
      jobs.remove(action.uid);
      return;
    case 'setSuspend':
      jobs.suspend(action.uid, action.suspend);
      return;
    // Finished Jobs end with this process, and no local object is ever deleted.
    case 'expireJob':
    case 'deleteRun':
    case 'release':
  }
}
