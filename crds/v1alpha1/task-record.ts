/** What is remembered of one piece of work (the preflight, a phase, a synthesis) when its Job is gone. */
import { z } from 'zod';
import { type DeepReadonly, integer, text, timestamp } from './common.ts';

export const images = integer(0, 1_000_000_000_000);
export const count = integer(0, 1_000_000_000);

const TASK_STATES = ['Pending', 'Queued', 'Running', 'Suspended', 'Stalled', 'Complete'] as const;

/** The fields of such a record; a kind adds its own beside them. */
export const taskRecordFields = {
  state: z.enum(TASK_STATES).describe('Where this piece of work stands.'),
  job: z
    .strictObject({
      name: text(63).describe('Name of the Job.'),
      uid: text(64).describe('UID of the Job.'),
      failures: count.describe('Pods of it that failed.'),
      ends: count.describe('Pods of it that ended, however they ended.'),
    })
    .optional()
    .describe('The newest Job that does it.'),
  earlierFailures: count.describe('Pods of the Jobs before that one that failed.'),
  forgivenFailures: count.describe("Failures before the last retry that a person asked for: they don't count towards maxRestarts."),
  headway: z
    .strictObject({
      uid: text(64).describe('UID of the Job.'),
      images: images.describe('Images of the newest checkpoint when it last advanced.'),
      ends: count.describe('Pods of the Job that had ended by then.'),
    })
    .optional()
    .describe('When the run last advanced: three ends in a row without headway stall it.'),
  storeFailure: z
    .strictObject({
      since: timestamp.describe('When the store was first missed.'),
      images: images.describe('Images that the task had shown by then.'),
    })
    .optional()
    .describe('Since when the store has been out of reach, in one unbroken row of attempts.'),
  stall: z
    .strictObject({
      reason: text(128).describe('Why, in one CamelCase word.'),
      message: text(4096).describe('Why, in a sentence, and what to do.'),
      digest: text(64).describe('SHA-256 of the fields whose edit ends the stall.'),
    })
    .optional()
    .describe('The failure that waits for a person.'),
  dismissed: text(64).optional().describe('UID of a failed Job that a retry or an edit has answered.'),
  startTime: timestamp.optional().describe('When its first process started.'),
  completionTime: timestamp.optional().describe('When it was complete.'),
};

export const taskRecord = z.strictObject(taskRecordFields);

export type TaskRecord = DeepReadonly<z.infer<typeof taskRecord>>;
/** A failure that waits for a person. It is left by an edit that changes `digest`, or by a new value of the retry annotation. */
export type Stall = NonNullable<TaskRecord['stall']>;
