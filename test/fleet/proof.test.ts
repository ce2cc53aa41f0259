/** What the fleet test would say of a fleet in which a Job was made twice, forgotten, left behind or made too early. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../operator/kube/resource.ts';
import type { StoredTraining } from '../../operator/training/stored.ts';
import type { AuditEvent } from '../harness/audit.ts';
import { assertEachJobOnce, type Remains } from './proof.ts';
import { tally, writesOf } from './requests.ts';

const OPERATOR = 'operator';
const JOBS = ['x-preflight', 'x-4', 'x-8'];

test('a fleet whose Jobs were made once, in their turn, passes', async () => {
  await proof(JOBS);
});

test('a Job that was made twice, forgotten, made by nobody we know, deleted or too early is named', async () => {
  await assert.rejects(proof([...JOBS, 'x-4']), /1 duplicate/);
  await assert.rejects(proof(JOBS.slice(0, 2)), /1 skipped/);
  await assert.rejects(proof([...JOBS, 'x-16']), /1 unasked for/);
  await assert.rejects(proof(['x-preflight', 'x-8', 'x-4']), /1 out of turn/);
  await assert.rejects(proof(JOBS, { events: [event('delete', 'jobs', { name: 'x-4' })] }), /1 deleted/);
  await assert.rejects(proof(JOBS, { events: [{ ...created('y-4'), user: { username: 'somebody' } }] }), /1 unasked for/);
});

test('a Job that is there counts as made also where whoever asked for it was killed before the answer; one that is not there does not', async () => {
  await proof(JOBS.slice(0, 2), { events: [cutOff('x-8')] });
  await assert.rejects(proof(JOBS.slice(0, 2), { events: [cutOff('x-8')], jobs: JOBS.slice(0, 2) }), /1 skipped/);
  await proof(JOBS, { events: [cutOff('x-8')] });
});

test('Jobs and pods that nobody owns, and pods that met, are named', async () => {
  await assert.rejects(proof(JOBS, { jobOwner: 'another' }), /3 orphaned/);
  await assert.rejects(proof(JOBS, { pods: [{ metadata: { name: 'one', ownerReferences: owner('job-of-nobody') } }] }), /1 orphaned pods/);
  await assert.rejects(proof(JOBS, { met: ['two while one'] }), /1 begun before/);
});

test('trials, progress, leases and reads are told from writes; refused writes count as well', async () => {
  const status = 'https://server/status?force=true&fieldManager=pggan-operator';
  const log = [
    created('x-4'),
    { ...created('x-8'), requestURI: '/jobs?dryRun=All' },
    event('patch', 'pggantrainings', { subresource: 'status' }, { requestURI: status, responseStatus: { code: 409 } }),
    event('patch', 'pggantrainings', { subresource: 'status' }, { requestURI: `${status}-progress` }),
    event('patch', 'pggantrainings'),
    event('patch', 'leases'),
    event('list', 'pods'),
    event('create', 'events'),
    event('patch', 'jobs', { name: 'x-4' }),
  ];
  const requests = await tally(stream(log), OPERATOR);
  const once = { createJob: 1, dryRun: 1, status: 1, progress: 1, finalizer: 1, lease: 1, read: 1, event: 1, changeJob: 1, deleteJob: 0 };
  assert.deepEqual(requests.counts, once);
  assert.equal(writesOf(requests), 5);
  assert.deepEqual([...requests.refused], [['status 409', 1]]);
  assert.deepEqual(requests.jobsCreated, ['x-4']);
});

const cutOff = (name: string): AuditEvent => ({ ...created(name), responseStatus: { code: 504 } });

/** `jobs` are the names of those that are there. */
type Odd = {
  readonly events?: readonly AuditEvent[];
  readonly jobs?: readonly string[];
  readonly jobOwner?: string;
  readonly pods?: readonly Pod[];
  readonly met?: readonly string[];
};

async function proof(names: readonly string[], odd: Odd = {}): Promise<void> {
  const { events = [], jobs: there = JOBS, jobOwner = 'uid-x', pods = [], met = [] } = odd;
  const requests = await tally(stream([...names.map(created), ...events]), OPERATOR);
  const training = { metadata: { name: 'x', uid: 'uid-x' } } as StoredTraining;
  const jobs = there.map((name) => ({ metadata: { name, uid: `uid-${name}`, ownerReferences: owner(jobOwner) } }));
  const remains: Remains = { trainings: [training], jobs, pods, met };
  assertEachJobOnce(requests, remains, (name) => ['preflight', '4', '8'].map((task) => `${name}-${task}`));
}

function owner(uid: string) {
  return [{ apiVersion: 'v1', kind: 'Owner', name: 'owner', uid }];
}

const created = (name: string): AuditEvent => event('create', 'jobs', { name }, { responseStatus: { code: 201 } });

function event(verb: string, resource: string, ref: object = {}, more: Partial<AuditEvent> = {}): AuditEvent {
  const common = { user: { username: OPERATOR }, requestURI: '/', requestReceivedTimestamp: '', responseStatus: { code: 200 } };
  return { verb, ...common, objectRef: { resource, ...ref }, ...more };
}

async function* stream(events: readonly AuditEvent[]): AsyncGenerator<AuditEvent> {
  yield* events;
}
