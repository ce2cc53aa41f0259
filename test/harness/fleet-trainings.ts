/** The trainings of a fleet: the study's own configuration in eight phases, and what their pods say, at /progress and at their end. */
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { PreflightProgress, TrainingProgress } from '../../crds/progress.ts';
import { resolveSchedule } from '../../crds/resolve.ts';
import { type Phase, phases } from '../../crds/schedule.ts';
import { changed } from '../../crds/test-objects.ts';
import { trainingObject } from '../../operator/jobs/test-objects.ts';
import type { StoredTraining } from '../../operator/training/stored.ts';
import { POD_ANNOTATIONS, type PodTales } from './kwok-stages.ts';

export const FLEET = 'fleet';

/** A training with spec.resolution 512, whose pods run for `runSeconds`. */
export function fleetTraining(name: string, runSeconds: number, changes: object = {}): StoredTraining {
  const { metadata: _, ...object } = changed('training', {
    'spec/template/annotations': { [POD_ANNOTATIONS.runsFor]: `${runSeconds}s` },
    ...changes,
  });
  return { ...object, metadata: { namespace: FLEET, name } } as unknown as StoredTraining;
}

export const PHASES: readonly Phase[] = phasesOf(trainingObject().spec);

function phasesOf(spec: StoredTraining['spec']): readonly Phase[] {
  return phases(resolveSchedule(spec), spec.totalKimg);
}

/** Names of the Jobs that a training must have had when it has succeeded, in this order. */
export function jobsOf(training: string): readonly string[] {
  return ['preflight', ...PHASES.map(({ resolution }) => String(resolution))].map((task) => `${training}-${task}`);
}

/** Every phase has an address of its own, by which a trainer knows which one it is to be: 127.64.0.1, 127.64.0.2, ... */
const addressOf = (index: number): string => `127.64.0.${index + 1}`;
const PREFLIGHT_ADDRESS = addressOf(PHASES.length);

export const TALES: PodTales = {
  preflight: { address: PREFLIGHT_ADDRESS, lastWords: timeless(preflight('Complete')) },
  ...Object.fromEntries(
    PHASES.map((phase, index) => [phase.resolution, { address: addressOf(index), lastWords: timeless(trained(phase, phase.endImages)) }]),
  ),
};

function timeless(document: PreflightProgress | TrainingProgress): object {
  const { time: _, ...rest } = document;
  return rest;
}

function now(): string {
  return new Date().toISOString().replace(/\.\d+Z$/, 'Z');
}

function preflight(state: PreflightProgress['state']): PreflightProgress {
  const datasetBytes = Object.fromEntries(PHASES.map(({ resolution }) => [resolution, 25_000 * resolution ** 2]));
  return { version: 'v1', kind: 'preflight', state, fingerprint: 'f'.repeat(64), images: 0, complete: false, datasetBytes, time: now() };
}

function trained({ resolution, endImages }: Phase, images: number): TrainingProgress {
  const losses = { generator: 0.5, discriminator: -1.5, realScores: 2, fakeScores: -2, mixedScores: 0.1, gradientNorm: 1.01 };
  const folder = `s3://pggan/runs/fleet/run/checkpoints/${String(images).padStart(12, '0')}/`;
  return {
    version: 'v1',
    kind: 'training',
    state: images === endImages ? 'Complete' : 'Training',
    resolution,
    images,
    phaseEndImages: endImages,
    lod: 0,
    tick: 100,
    minibatch: 16,
    epochs: 12.5,
    losses,
    secondsPerKimg: 0.001,
    imagesPerSecond: 1e6,
    checkpoint: { uri: folder, images, digest: 'd'.repeat(64), time: '2026-01-01T00:00:00Z', bytes: 646_000_000 },
    checkpointSeconds: 1.5,
    attempt: 1,
    time: now(),
  };
}

export type Trainers = { readonly port: number; close(): void };

/** Answers at /progress for all pods that run: halfway through its phase. */
export async function serveProgress(): Promise<Trainers> {
  const documents = new Map<string, () => object>(
    PHASES.map((phase, index) => [addressOf(index), () => trained(phase, Math.floor((phase.startImages + phase.endImages) / 2))]),
  ).set(PREFLIGHT_ADDRESS, () => preflight('Starting'));
  const servers: Server[] = [];
  let port = 0;
  for (const [address, document] of documents) {
    const server = createServer((_, response) => response.setHeader('content-type', 'application/json').end(JSON.stringify(document())));
    server.listen(port, address);
    await once(server, 'listening');
    ({ port } = server.address() as AddressInfo);
    servers.push(server);
  }
  return {
    port,
    close() {
      for (const server of servers) {
        server.close();
        server.closeAllConnections();
      }
    },
  };
}
