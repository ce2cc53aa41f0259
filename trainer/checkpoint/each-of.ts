/** Works on many things, some of them at once. */

/** Runs `work` on all items; after a failure no further one is begun, and it is thrown when those that run have ended. */
export async function eachOf<T>(items: readonly T[], atOnce: number, work: (item: T, index: number) => Promise<void>): Promise<void> {
  const entries = items.entries();
  let failed = false;
  const runners = Array.from({ length: atOnce }, async () => {
    for (const [index, item] of entries) {
      if (failed) return;
      try {
        await work(item, index);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  });
  const results = await Promise.allSettled(runners);
  const failure = results.find((result) => result.status === 'rejected');
  if (failure) throw failure.reason;
}
