/** Stands between a client and a server at the level of TCP, so that TLS passes through, and breaks what stands. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';

export type Cutter = {
  readonly port: number;
  /** Connections taken so far. */
  readonly taken: number;
  /** Resets every connection of this moment. */
  cut(): void;
  /** From now on nothing passes over the connections of this moment, and none is closed: as when a cable is pulled. New ones pass. */
  freeze(): void;
  /** Resets every connection, and each new one, until up() is called. */
  down(): void;
  up(): void;
};

/** A relay to 127.0.0.1:`targetPort`, which is closed after the test. */
export async function startCutter(t: TestContext, targetPort: number): Promise<Cutter> {
  const pairs = new Set<readonly [Socket, Socket]>();
  let taken = 0;
  let isDown = false;
  const server = createServer((near) => {
    if (isDown) return void near.resetAndDestroy();
    taken += 1;
    const far = connect(targetPort, '127.0.0.1');
    const pair = [near, far] as const;
    pairs.add(pair);
    near.pipe(far);
    far.pipe(near);
    for (const socket of pair) {
      socket.on('error', () => {});
      socket.on('close', () => {
        pairs.delete(pair);
        near.destroy();
        far.destroy();
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = (): void => {
    for (const [near, far] of pairs) {
      near.resetAndDestroy();
      far.resetAndDestroy();
    }
  };
  t.after(() => {
    cut();
    server.close();
  });
  return {
    port: (server.address() as AddressInfo).port,
    get taken() {
      return taken;
    },
    cut,
    down() {
      isDown = true;
      cut();
    },
    up() {
      isDown = false;
    },
    freeze() {
      for (const [near, far] of pairs) {
        near.unpipe(far).pause();
        far.unpipe(near).pause();
      }
    },
  };
}
