import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { Patch } from './client.ts';
import { type Clock, sleep } from './clock.ts';
import { KubeError } from './errors.ts';
import { createElection, type Election, type ElectionOptions, microTime } from './lease.ts';
import type { Lease } from './resource.ts';
import { settled, type Skew, VirtualClock } from './virtual-clock.ts';

const REF = { namespace: 'pggan', name: 'operator' };

/** The one lease, as the API server keeps it: every write is conditional. */
class LeaseServer {
  lease: Lease | undefined;
  #version = 0;

  get(): Lease {
    if (this.lease === undefined) throw new KubeError('NotFound', 'no such lease');
    return this.lease;
  }

  create(lease: Lease): Lease {
    if (this.lease !== undefined) throw new KubeError('AlreadyExists', 'there is one');
    return this.#store(lease);
  }

  patch(patch: Patch): Lease {
    const current = this.get();
    const { metadata, spec } = 'merge' in patch ? (patch.merge as Lease) : ({} as Lease);
    if (metadata?.resourceVersion !== current.metadata?.resourceVersion) throw new KubeError('Conflict', 'has been modified');
    return this.#store({ ...current, spec: { ...current.spec, ...spec } });
  }

  #store(lease: Lease): Lease {
    this.#version += 1;
    this.lease = { ...lease, metadata: { ...lease.metadata, resourceVersion: String(this.#version) } };
    return this.lease;
  }
}

/** What happens to one request, in seconds of true time; a request or an answer that is lost leaves its caller waiting. */
type Fate = { readonly thereSeconds: number; readonly backSeconds: number; readonly lost?: 'request' | 'answer' };

/** The way from one process to the server. */
function reached(server: LeaseServer, time: VirtualClock, fate: () => Fate): ElectionOptions['kube'] {
  async function call<T>(serve: () => T, signal: AbortSignal | undefined): Promise<T> {
    const { thereSeconds, backSeconds, lost } = fate();
    await sleep(time, lost === 'request' ? Infinity : thereSeconds, signal);
    // A request that was given up may have arrived all the same.
    if (signal?.aborted && (lost === 'request' || thereSeconds > 5)) throw signal.reason;
    const answer = settle(serve);
    await sleep(time, lost === 'answer' ? Infinity : backSeconds, signal);
    if (signal?.aborted) throw signal.reason;
    return answer();
  }
  return {
    get: (_, __, { signal } = {}) => call(() => server.get(), signal) as never,
    create: (_, lease, { signal } = {}) => call(() => server.create(lease as Lease), signal) as never,
    patch: (_, __, patch, { signal } = {}) => call(() => server.patch(patch), signal) as never,
  };
}

function settle<T>(serve: () => T): () => T {
  try {
    const value = serve();
    return () => value;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}

type Member = { readonly election: Election; readonly stop: AbortController; leading: boolean; outcome?: 'lost' | 'stopped' };

function join(server: LeaseServer, time: VirtualClock, identity: string, options: { clock?: Clock; fate?: () => Fate } = {}): Member {
  const { clock = time, fate = () => ({ thereSeconds: 0, backSeconds: 0 }) } = options;
  const kube = reached(server, time, fate);
  const election = createElection({ kube, lease: REF, identity, clock, random: () => 0.5 });
  const member: Member = { election, stop: new AbortController(), leading: false };
  const lead = (signal: AbortSignal): Promise<void> => {
    member.leading = true;
    return new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
  };
  void election.run(lead, member.stop.signal).then((outcome) => {
    member.outcome = outcome;
    member.leading = false;
  });
  return member;
}

const fate: fc.Arbitrary<Fate> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      thereSeconds: fc.double({ min: 0, max: 0.5, noNaN: true }),
      backSeconds: fc.double({ min: 0, max: 0.5, noNaN: true }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ thereSeconds: fc.integer({ min: 0, max: 20 }), backSeconds: fc.integer({ min: 0, max: 20 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      thereSeconds: fc.constant(0),
      backSeconds: fc.constant(0),
      lost: fc.constantFrom('request' as const, 'answer' as const),
    }),
  },
);

/** Clocks a tenth too fast or slow: 15 s by the fastest are 13.6 s, 10 s by the slowest 11.1 s. Wall clocks are years off. */
const skew: fc.Arbitrary<Skew> = fc.record({
  wallSeconds: fc.integer({ min: -1e8, max: 1e8 }),
  rate: fc.double({ min: 0.9, max: 1.1, noNaN: true }),
});

const happening = fc.record({
  seconds: fc.double({ min: 0.01, max: 30, noNaN: true }),
  stop: fc.option(fc.nat(2), { freq: 6 }),
  join: fc.option(skew, { freq: 4 }),
});

test('never do two processes lead at once, whatever happens to requests, clocks and processes', async () => {
  let led = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(skew, { minLength: 2, maxLength: 3 }),
      fc.array(happening, { minLength: 5, maxLength: 25, size: 'max' }),
      fc.infiniteStream(fate),
      async (skews, happenings, fates) => {
        const time = new VirtualClock();
        const server = new LeaseServer();
        const members: Member[] = [];
        const enter = (skew: Skew): void => {
          const options = { clock: time.seenWith(skew), fate: () => fates.next().value };
          members.push(join(server, time, `process-${members.length}`, options));
        };
        skews.forEach(enter);
        for (const { seconds, stop, join } of happenings) {
          // Looked at whenever anything can have changed, and in between.
          for (let left = seconds; left > 0; ) {
            const next = Math.min(left, Math.max(1e-3, Math.min(1, time.nextSeconds ?? 1)));
            await time.advance(next);
            left -= next;
            const leaders = members.filter(({ leading, election }) => leading && election.mayAct());
            assert.ok(leaders.length <= 1, `${leaders.length} processes lead at ${time.seconds()} s`);
            led += leaders.length;
          }
          if (stop !== null) members[stop]?.stop.abort();
          if (join !== null) enter(join);
        }
      },
    ),
    { numRuns: 40 },
  );
  assert.ok(led > 100, 'a model in which nobody ever leads proves nothing');
});

test('a lease is taken by the first, and by the second only when the first has not renewed it for its whole duration', async () => {
  const [time, server] = [new VirtualClock(), new LeaseServer()];
  let cut = false;
  const first = join(server, time, 'first', {
    fate: () => ({ thereSeconds: 0, backSeconds: 0, ...(cut && { lost: 'request' as const }) }),
  });
  await time.advance(1);
  const second = join(server, time, 'second');
  await time.advance(60);
  assert.deepEqual([first.leading, second.leading], [true, false]);
  cut = true;
  await time.advance(10.1);
  assert.deepEqual([first.outcome, first.election.mayAct(), second.leading], ['lost', false, false], 'nobody leads for some seconds');
  await time.advance(10);
  assert.equal(second.leading, true);
  assert.equal(server.lease?.spec?.leaseTransitions, 1);
});

test('who stands by leads within 15 s and one look after the leader has died, wherever its looks fall', async () => {
  for (let offset = 0; offset < 3; offset += 0.2) {
    const [time, server] = [new VirtualClock(), new LeaseServer()];
    let dead = false;
    join(server, time, 'first', { fate: () => ({ thereSeconds: 0, backSeconds: 0, ...(dead && { lost: 'request' as const }) }) });
    await time.advance(offset);
    const second = join(server, time, 'second');
    await time.advance(20);
    dead = true;
    await time.advance(17.4);
    assert.equal(second.leading, true, `it looked for the first time ${offset} s after the other`);
  }
});

test('a process that was paused for longer than its lease knows at once that it may not act, and does not take the lease again', async () => {
  const [time, server] = [new VirtualClock(), new LeaseServer()];
  let pausedSeconds = 0;
  const timers: (() => void)[] = [];
  // While it is paused its clock goes on, and its timers wait.
  const clock: Clock = {
    now: () => time.now(),
    seconds: () => time.seconds(),
    after: (seconds, call) => time.after(seconds, () => (pausedSeconds > 0 ? void timers.push(call) : call())),
  };
  const first = join(server, time, 'first', { clock });
  await time.advance(5);
  assert.ok(first.election.mayAct());
  pausedSeconds = 30;
  await time.advance(pausedSeconds);
  pausedSeconds = 0;
  assert.equal(first.election.mayAct(), false);
  for (const call of timers) call();
  await settled();
  assert.equal(first.outcome, 'lost');
});

test('a lease that is released is taken without waiting for it to expire, after the work has ended', async () => {
  const [time, server] = [new VirtualClock(), new LeaseServer()];
  const first = join(server, time, 'first');
  await time.advance(1);
  const second = join(server, time, 'second');
  await time.advance(5);
  first.stop.abort();
  await time.advance(0);
  assert.equal(first.outcome, 'stopped');
  assert.equal(server.lease?.spec?.holderIdentity, '');
  await time.advance(4.5);
  assert.equal(second.leading, true);
});

test('while the work comes to its end the lease is renewed', async () => {
  const [time, server] = [new VirtualClock(), new LeaseServer()];
  const election = createElection({
    kube: reached(server, time, () => ({ thereSeconds: 0, backSeconds: 0 })),
    lease: REF,
    identity: 'slow',
    clock: time,
  });
  const stop = new AbortController();
  const work = Promise.withResolvers<void>();
  const run = election.run(() => work.promise, stop.signal);
  await time.advance(1);
  stop.abort();
  await time.advance(60);
  assert.ok(election.mayAct());
  work.resolve();
  await time.advance(0);
  assert.equal(await run, 'stopped');
  assert.equal(election.mayAct(), false);
});

test('a leader whose lease was deleted or taken by hand stops at its next renewal', async () => {
  for (const disturb of [
    (server: LeaseServer) => (server.lease = undefined),
    (server: LeaseServer) => server.patch({ merge: { metadata: server.lease?.metadata, spec: { holderIdentity: 'other' } } }),
  ]) {
    const [time, server] = [new VirtualClock(), new LeaseServer()];
    const first = join(server, time, 'first');
    await time.advance(5);
    disturb(server);
    await time.advance(2);
    assert.equal(first.outcome, 'lost');
    assert.equal(first.election.mayAct(), false);
  }
});

test('a renewal whose answer was lost costs nothing: the next one reads what it did', async () => {
  const [time, server] = [new VirtualClock(), new LeaseServer()];
  let lost = false;
  const first = join(server, time, 'first', {
    fate: () => {
      if (!lost) return { thereSeconds: 0, backSeconds: 0 };
      lost = false;
      return { thereSeconds: 0, backSeconds: 0, lost: 'answer' };
    },
  });
  await time.advance(5);
  lost = true;
  await time.advance(7.9);
  assert.equal(first.leading, true);
});

test('a renewal counts from when it was sent, not from when its answer came: the server may have written it at once', async () => {
  const [time, server] = [new VirtualClock(), new LeaseServer()];
  const fates: Fate[] = [];
  const first = join(server, time, 'first', { fate: () => fates.shift() ?? { thereSeconds: 0, backSeconds: 0 } });
  await time.advance(3);
  // Renewals are sent at 2, 4 s...; the answer to the next comes 7 s late, and no request arrives after it.
  fates.push(
    { thereSeconds: 0, backSeconds: 7 },
    ...Array.from({ length: 20 }, (): Fate => ({ thereSeconds: 0, backSeconds: 0, lost: 'request' })),
  );
  await time.advance(10.9);
  assert.equal(first.election.mayAct(), true);
  await time.advance(0.2);
  assert.equal(first.election.mayAct(), false);
});

test('work that fails gives the lease back and says why', async () => {
  const [time, server] = [new VirtualClock(), new LeaseServer()];
  const election = createElection({
    kube: reached(server, time, () => ({ thereSeconds: 0, backSeconds: 0 })),
    lease: REF,
    identity: 'a',
    clock: time,
  });
  const refused = assert.rejects(
    election.run(() => Promise.reject(new Error('no work today')), new AbortController().signal),
    /no work today/,
  );
  await time.advance(5);
  await refused;
  assert.equal(server.lease?.spec?.holderIdentity, '');
});

test('a MicroTime has six digits', () => {
  assert.equal(microTime(new Date('2026-01-02T03:04:05.678Z')), '2026-01-02T03:04:05.678000Z');
});
