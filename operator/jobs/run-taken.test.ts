import assert from 'node:assert/strict';
import { test } from 'node:test';
import { observedJobs } from '../training/source.ts';
import { container, job, listed, only, pod, exit, PROGRESS } from './listed-objects.ts';
import type { Pod } from './wire.ts';

const starts = (at: string): Pod => pod({ phase: 'Running', containerStatuses: [container({ running: { startedAt: at } })] });

test('a process that finds its run taken is no end of the run, no failure and no disruption: after a crash the lease has to run out first', () => {
  const message = 's3://runs/x is being written by process 7 on node-1; if that process has died, the run is free in 41 s';
  const document = { ...PROGRESS, state: 'Failed', images: 0, attempt: 0, failure: { code: 'RunOwned', message } };
  const crashed = pod({ phase: 'Failed', ...exit(139, { startedAt: '2030-01-01T10:30:00Z', finishedAt: '2030-01-01T11:50:00Z' }) });
  const said = { startedAt: '2030-01-01T11:50:10Z', finishedAt: '2030-01-01T11:50:12Z', message: JSON.stringify(document) };
  const waited = pod({ phase: 'Failed', ...exit(75, said) });
  const crashedJob = job({ status: { failed: 1 } });
  const { failure, podsEnded, runTaken, lastStartedAt } = only(crashedJob, [waited, crashed]);
  assert.deepEqual([failure?.exitCode, podsEnded], [139, 1]);
  assert.deepEqual(runTaken, { since: '2030-01-01T11:50:12Z', message });
  assert.equal(lastStartedAt, '2030-01-01T10:30:00Z');
  assert.deepEqual(observedJobs(listed([crashedJob], [waited, crashed])).fates, []);

  const asking = only(crashedJob, [waited, crashed, starts('2030-01-01T11:59:30Z')]);
  assert.deepEqual([stateKind(asking), asking.lastStartedAt], ['none', '2030-01-01T10:30:00Z'], 'it may find the same');
  const trains = only(crashedJob, [waited, crashed, starts('2030-01-01T11:58:59Z')]);
  assert.deepEqual([stateKind(trains), trains.lastStartedAt], ['running', '2030-01-01T11:58:59Z']);

  const worked = pod({ phase: 'Failed', ...exit(75, { startedAt: '2030-01-01T11:51:00Z', finishedAt: '2030-01-01T11:55:00Z' }) });
  assert.equal(only(crashedJob, [waited, crashed, worked]).runTaken, undefined, 'one has worked since');
  const long = { ...said, startedAt: '2030-01-01T11:00:10Z', finishedAt: '2030-01-01T11:00:12Z' };
  assert.equal(only(crashedJob, [pod({ phase: 'Failed', ...exit(75, long) })]).runTaken, undefined, 'what was said an hour ago is old');
  const ousted = { ...said, message: JSON.stringify({ ...document, attempt: 2 }) };
  assert.equal(
    only(job(), [pod({ phase: 'Failed', ...exit(75, ousted) })]).podsEnded,
    1,
    'a process that had the run, and lost it, has worked',
  );
});

const stateKind = ({ state }: ReturnType<typeof only>): string => (state.kind === 'active' ? state.pod.kind : state.kind);
