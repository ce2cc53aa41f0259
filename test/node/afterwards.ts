/** What several tests share is ended after the last of them, not after the one that began it. */
import type { TestContext } from 'node:test';

export type Afterwards = {
  after(step: () => unknown): void;
  /** A test's context for things that outlive the test. */
  of(t: TestContext): TestContext;
  /** The latest step first. */
  run(): Promise<void>;
};

export function createAfterwards(): Afterwards {
  const steps: (() => unknown)[] = [];
  return {
    after: (step) => void steps.push(step),
    of: (t) => new Proxy(t, { get: (test, key) => (key === 'after' ? (step: () => unknown) => void steps.push(step) : bound(test, key)) }),
    async run() {
      for (const step of steps.splice(0).toReversed()) await step();
    },
  };
}

function bound(test: TestContext, key: string | symbol): unknown {
  const value: unknown = Reflect.get(test, key);
  return typeof value === 'function' ? (value.bind(test) as unknown) : value;
}
