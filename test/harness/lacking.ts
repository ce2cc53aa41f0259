/** What a test does where this machine lacks something that it needs. */
import type { TestContext } from 'node:test';

/** Skips the test with the reason; with CI=true that is a failure, so that nothing goes unseen there. @throws Error with CI=true */
export function lacking(t: Pick<TestContext, 'skip'>, reason: string, cause?: unknown): undefined {
  if (process.env['CI'] === 'true') throw new Error(reason, { cause });
  t.skip(reason);
  return undefined;
}
