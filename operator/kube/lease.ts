/**
 * Leader election on a coordination.k8s.io/v1 Lease, as client-go does it: at most one process acts at a time.
 * It survives clocks that disagree (no time that another machine wrote is ever compared with one of ours: a lease has expired when *we* have
 * seen it unchanged for its whole duration), a pause (mayAct() is asked at the moment of each change, by leading.ts, and knows when we last renewed), a server that
 * cannot be reached (the lease is given up seconds before anybody else may take it), writes whose answer was lost (every write is conditional
 * and what it did is read back), and being told to stop (the lease is released, so that the next one need not wait).
 */
import { jittered } from './backoff.ts';
import type { Kube } from './client.ts';
import { type Clock, sleep, systemClock, within } from './clock.ts';
import { isKubeError } from './errors.ts';
import { type Lease, LEASES, type ObjectRef } from './resource.ts';

export type ElectionOptions = {
  readonly kube: Pick<Kube, 'get' | 'create' | 'patch'>;
  readonly lease: ObjectRef;
  /** Of this process alone, of all that there ever are: a host name is not enough. */
  readonly identity: string;
  /** How long others leave an unchanged lease alone. */
  readonly durationSeconds?: number;
  /** How long after the last renewal we act as the leader: the difference to the duration is for clocks that run at different speeds. */
  readonly renewDeadlineSeconds?: number;
  readonly retrySeconds?: number;
  readonly clock?: Clock;
  readonly random?: () => number;
  readonly onError?: (error: unknown) => void;
};

export interface Election {
  /**
   * Waits for the lease, then calls `lead` with a signal that is aborted when `signal` is, or when the lease is lost. 'lost' comes at once, without
   * waiting for `lead`: the process must exit, for whatever it still does it may not do. 'stopped' comes when `lead` has ended and the lease is
   * released.
   */
  run(lead: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<'lost' | 'stopped'>;
  /** True while nobody else can be the leader. */
  mayAct(): boolean;
}

/** A lease as we saw it, and since when it has looked like that. */
type Seen = { readonly lease: Lease; readonly since: number };

export function createElection(options: ElectionOptions): Election {
  const { kube, lease: ref, identity, durationSeconds = 15, renewDeadlineSeconds = 10, retrySeconds = 2 } = options;
  const { clock = systemClock, random = Math.random, onError } = options;
  let seen: Seen | undefined;
  /** We lead until then, by our clock. */
  let leadsUntil = -Infinity;

  /** One attempt to take or to renew the lease. Counted from *before* the request was sent: the server cannot have written it earlier. */
  async function attempt(signal: AbortSignal): Promise<void> {
    const sentAt = clock.seconds();
    try {
      if (!mayAct()) look(await find(signal));
      if (seen !== undefined && !isOurs(seen.lease) && !isFree(seen)) return;
      look(seen === undefined ? await create(signal) : await renew(seen.lease, signal));
      leadsUntil = sentAt + renewDeadlineSeconds;
    } catch (error) {
      // Somebody else wrote, or our own write's answer was lost: the next attempt looks first.
      if (isKubeError(error, 'Conflict', 'AlreadyExists', 'NotFound')) await find(signal).then(look, () => undefined);
      else onError?.(error);
    }
  }

  async function find(signal: AbortSignal): Promise<Lease | undefined> {
    try {
      return await kube.get(LEASES, ref, { signal });
    } catch (error) {
      if (isKubeError(error, 'NotFound')) return undefined;
      throw error;
    }
  }

  /** A lease that has changed is alive from now on, whatever it says about the time. */
  function look(lease: Lease | undefined): void {
    if (lease === undefined) seen = undefined;
    else if (seen?.lease.metadata?.resourceVersion !== lease.metadata?.resourceVersion) seen = { lease, since: clock.seconds() };
  }

  const isOurs = ({ spec }: Lease): boolean => spec?.holderIdentity === identity;

  const expiresAt = ({ lease: { spec }, since }: Seen): number => since + (spec?.leaseDurationSeconds ?? durationSeconds);
  const isFree = (known: Seen): boolean => !known.lease.spec?.holderIdentity || clock.seconds() >= expiresAt(known);

  function create(signal: AbortSignal): Promise<Lease> {
    const now = microTime(clock.now());
    const spec = { holderIdentity: identity, leaseDurationSeconds: durationSeconds, acquireTime: now, renewTime: now, leaseTransitions: 0 };
    return kube.create(LEASES, { metadata: ref, spec }, { signal });
  }

  function renew(lease: Lease, signal: AbortSignal): Promise<Lease> {
    const now = microTime(clock.now());
    const taken = isOurs(lease) ? {} : { acquireTime: now, leaseTransitions: (lease.spec?.leaseTransitions ?? 0) + 1 };
    return write(lease, { holderIdentity: identity, leaseDurationSeconds: durationSeconds, renewTime: now, ...taken }, signal);
  }

  /** Only over the lease as we saw it. */
  function write({ metadata }: Lease, spec: Lease['spec'], signal?: AbortSignal): Promise<Lease> {
    return kube.patch(LEASES, ref, { merge: { metadata: { resourceVersion: metadata?.resourceVersion }, spec } }, { signal });
  }

  /**
   * True once we lead; false where `signal` was aborted first. It looks more often than client-go (once to 2.2 times the retry period), and at
   * the very moment at which the lease expires: a leader that was killed is followed within 15 s and one look, not within 15 s and two.
   */
  async function acquire(signal: AbortSignal): Promise<boolean> {
    while (!signal.aborted) {
      await within({ clock, seconds: renewDeadlineSeconds, parent: signal, reason: late }, attempt);
      if (mayAct()) return true;
      const wait = jittered(retrySeconds * 1.1, 0.09, random);
      const left = seen === undefined ? Infinity : expiresAt(seen) - clock.seconds();
      await sleep(clock, left > 0 ? Math.min(wait, left) : wait, signal);
    }
    return false;
  }

  /** Renews until `ended` is aborted (true), or the lease is lost (false): a moment without it cannot be made good by taking it again. */
  async function keep(ended: AbortSignal): Promise<boolean> {
    while (!ended.aborted) {
      await sleep(clock, retrySeconds, ended);
      if (ended.aborted) break;
      if (!mayAct()) return false;
      // Not cut short by the end of the work: what the server has then would have to be guessed.
      await within({ clock, seconds: leadsUntil - clock.seconds(), parent: undefined, reason: late }, attempt);
      if (seen === undefined || !isOurs(seen.lease)) leadsUntil = -Infinity;
      if (!mayAct()) return false;
    }
    return true;
  }

  async function release(): Promise<void> {
    leadsUntil = -Infinity;
    if (seen === undefined || !isOurs(seen.lease)) return;
    const { lease } = seen;
    const free = { holderIdentity: '', leaseDurationSeconds: 1, renewTime: microTime(clock.now()) };
    const limit = { clock, seconds: renewDeadlineSeconds, parent: undefined, reason: late };
    await within(limit, (signal) => write(lease, free, signal)).catch((error: unknown) => onError?.(error));
  }

  const mayAct = (): boolean => clock.seconds() < leadsUntil;

  return {
    mayAct,
    async run(lead, signal) {
      if (!(await acquire(signal))) {
        await release();
        return 'stopped';
      }
      const leading = new AbortController();
      const ended = new AbortController();
      const stop = (): void => leading.abort(signal.reason);
      signal.addEventListener('abort', stop, { once: true });
      if (signal.aborted) stop();
      const work = (async () => lead(leading.signal))().finally(() => ended.abort());
      // It is awaited below: that it fails before is no accident that nobody looks after.
      work.catch(() => undefined);
      // Renewed while the work comes to its end, too.
      const kept = await keep(ended.signal);
      signal.removeEventListener('abort', stop);
      if (!kept) {
        leading.abort(new Error('the lease was lost'));
        return 'lost';
      }
      await release();
      await work;
      return 'stopped';
    },
  };
}

/** RFC 3339 with six digits: the API server parses a MicroTime with neither more nor fewer. */
export function microTime(time: Date): string {
  return time.toISOString().replace('Z', '000Z');
}

function late(): Error {
  return new Error('the lease was not renewed in time');
}
