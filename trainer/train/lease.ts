/** Renews the right to write to a run while a process trains, between steps. */
import { LEASE_SECONDS, type Writer } from '../checkpoint/owner.ts';

/** `renew()` may be called after every step; it writes a few times per lease. @throws {PgganError} RunOwned once another process has the run */
export function renewLease(writer: Writer, nowSeconds: () => number = () => performance.now() / 1000): { renew(): Promise<void> } {
  let renewed = nowSeconds();
  return {
    async renew() {
      if (nowSeconds() - renewed < LEASE_SECONDS / 4) return;
      renewed = nowSeconds();
      await writer.renew();
    },
  };
}
