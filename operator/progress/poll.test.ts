/** Whom the poll asks, how often, and what is made of silence. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Progress } from '../../crds/progress.ts';
import { VirtualClock } from '../kube/virtual-clock.ts';
import type { Pod } from '../kube/resource.ts';
import { createHearing } from './heard.ts';
import { intervalSeconds, poll } from './poll.ts';

const document = (done: number): Progress => ({
  version: 'v1',
  kind: 'synthesis',
  state: 'Synthesizing',
  done,
  wanted: 100,
  time: '2030-01-01T00:00:00Z',
});

const pod = (uid: string, changes: Partial<Pod> = {}): Pod => ({
  metadata: { uid, name: uid },
  status: { phase: 'Running', podIP: `10.0.0.${uid.length}` },
  ...changes,
});

test('the budget is one for all: 300 pods are asked every 15 s, 5,000 every 250 s', () => {
  assert.equal(intervalSeconds(1), 15);
  assert.equal(intervalSeconds(300), 15);
  assert.equal(intervalSeconds(5000), 250);
});

test('only pods that run, have an address and are in a network of their own are asked', async () => {
  const clock = new VirtualClock();
  const stop = new AbortController();
  const asked: string[] = [];
  const pods = [
    pod('a'),
    pod('bb', { spec: { hostNetwork: true, containers: [] } }),
    pod('ccc', { status: { phase: 'Pending', podIP: '10.0.0.3' } }),
    pod('dddd', { status: { phase: 'Running' } }),
    pod('eeeee', { metadata: { uid: 'eeeee', deletionTimestamp: '2030-01-01T00:00:00Z' } }),
  ];
  const hearing = createHearing(clock, () => 30);
  const options = {
    clock,
    pods: () => pods,
    hearing,
    port: 8080,
    read: ({ status }: Pod) => {
      asked.push(status?.podIP ?? '');
      return Promise.resolve(document(1));
    },
    told: () => {},
    onError: () => {},
  };
  const polling = poll(options, stop.signal);
  await clock.advance(29);
  stop.abort();
  await polling;
  assert.deepEqual(asked, ['10.0.0.1', '10.0.0.1']);
});

test('what was heard is news for as long as the pods that are asked take their turns; pods that have ended take none', async () => {
  const clock = new VirtualClock();
  const stop = new AbortController();
  const hearing = createHearing(clock, intervalSeconds);
  const ended = Array.from({ length: 10_000 }, (_, index) => pod(`ended-${index}`, { status: { phase: 'Succeeded', podIP: '10.1.0.1' } }));
  const answers = [document(1), undefined];
  const read = () => Promise.resolve(answers.shift());
  const polling = poll(
    { clock, pods: () => [pod('a'), ...ended], hearing, port: 8080, read, told: () => {}, onError: () => {} },
    stop.signal,
  );
  await clock.advance(14);
  assert.equal(hearing.heard('a').document?.fresh, true);
  await clock.advance(10);
  assert.equal(hearing.heard('a').document?.fresh, false);
  stop.abort();
  await polling;
});

test('a figure that stands still is told since when; a pod that is silent thrice is unreachable, until it answers', async () => {
  const clock = new VirtualClock();
  const hearing = createHearing(clock, () => 30);
  assert.deepEqual(hearing.heard('a'), {});
  hearing.answered('a', document(1));
  const since = hearing.heard('a').document?.unmovedSince;
  await clock.advance(20);
  hearing.answered('a', document(1));
  assert.equal(hearing.heard('a').document?.unmovedSince, since);
  hearing.silent('a');
  hearing.silent('a');
  assert.equal(hearing.heard('a').reachable, undefined);
  hearing.silent('a');
  assert.equal(hearing.heard('a').reachable, false);
  await clock.advance(31);
  assert.equal(hearing.heard('a').document?.fresh, false, 'silence is not standing still');
  hearing.answered('a', document(2));
  assert.equal(hearing.heard('a').reachable, true);
  assert.notEqual(hearing.heard('a').document?.unmovedSince, since);
  hearing.keep(new Set());
  assert.deepEqual(hearing.heard('a'), {});
});
