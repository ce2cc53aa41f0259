/**
 * A node whose pods are processes of this machine: the real trainer with the pod's environment, claims mapped to folders, Secrets and ConfigMaps
 * as files, an address of its own for /progress, and the kubelet's part of a pod's life (status, termination message, grace, SIGKILL).
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { constants } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import type { Kube } from '../../operator/kube/client.ts';
import { isKubeError } from '../../operator/kube/errors.ts';
import { keyOf, type Pod, PODS, refOf } from '../../operator/kube/resource.ts';
import { type End, type Program, type Running, start, terminationMessage } from '../../operator/local/processes.ts';
import { trainerCommand } from '../../operator/local/trainer.ts';
import type { ApiClient } from './api-client.ts';
import { controlJobs, NODE, reflectWorkloads } from './job-controller.ts';
import { until } from './kube.ts';

export type ProcessNodeOptions = {
  readonly kube: Kube;
  readonly admin: ApiClient;
  readonly namespace: string;
  /** Folders of PersistentVolumeClaims, by name. */
  readonly claims: Readonly<Record<string, string>>;
  /** For logs and termination messages. */
  readonly folder: string;
  /** Where /progress of a pod is served, for one pod at a time; unless given, each has a loopback address of its own. */
  readonly at?: Place | undefined;
};

export type Place = { readonly address: string; readonly port: number };

export interface ProcessNode {
  /** Names of pods whose process runs, in order of their start. */
  running(): readonly string[];
  /** Most processes that ran at once for one value of the label pggan.dev/training. */
  readonly mostAtOnce: number;
  /** kill -9 of a pod's process. */
  kill(pod: string): void;
  /** The machine of a pod loses its network: it hears and tells nothing any more, and its process goes on. Others are not touched. */
  lose(pod: string): void;
  /** The process of a pod. */
  pid(pod: string): number;
  /** Ends every process at once. */
  stop(): Promise<void>;
}

type Container = { readonly pod: Pod; readonly program: Program; readonly process: Running; readonly startedAt: string; server?: Server };

const TRAINER_PORT = 8080;

export function startProcessNode(options: ProcessNodeOptions): ProcessNode {
  const { kube, admin, namespace } = options;
  const stop = new AbortController();
  const containers = new Map<string, Container>();
  const begun = new Set<string>();
  const lost = new Set<string>();
  const addresses = new Set<string>();
  let mostAtOnce = 0;

  async function pass(pods: readonly Pod[]): Promise<void> {
    for (const pod of pods.filter(({ spec }) => spec?.nodeName === NODE)) {
      const uid = pod.metadata?.uid ?? '';
      const container = containers.get(uid);
      const going = pod.metadata?.deletionTimestamp !== undefined;
      if (lost.has(uid)) continue;
      if (container && going) end(container, pod.metadata?.deletionGracePeriodSeconds ?? 30);
      else if (!container && going) await remove(pod);
      else if (!begun.has(uid) && pod.status?.phase === 'Pending') await begin(pod, uid);
    }
  }

  async function begin(pod: Pod, uid: string): Promise<void> {
    begun.add(uid);
    const program = programOf(pod, options, await mountedFiles(pod, options));
    const container: Container = { pod, program, process: start(program, () => {}), startedAt: seconds(new Date()) };
    containers.set(uid, container);
    const name = pod.metadata?.labels?.['pggan.dev/training'];
    const together = [...containers.values()].filter(({ pod: other }) => other.metadata?.labels?.['pggan.dev/training'] === name);
    if (name !== undefined) mostAtOnce = Math.max(mostAtOnce, together.length);
    void live(container, uid);
  }

  async function live(container: Container, uid: string): Promise<void> {
    const { pod, program, process } = container;
    const ended = process.ended.then(async (how) => ({ how, message: await terminationMessage(program) }));
    let over = false;
    void ended.then(() => (over = true));
    await until(() => over || process.port() !== undefined);
    if (!over) {
      const served = await serve(process.port() ?? 0, (text) => outside(text, options.claims), addresses, options.at);
      container.server = served.server;
      await patch(pod, statusOf('Running', { running: { startedAt: container.startedAt } }, served.address));
    }
    const { how, message } = await ended;
    hangUp(container);
    containers.delete(uid);
    if (lost.has(uid)) return;
    const said = message === undefined ? how.said : outside(message, options.claims);
    const terminated = {
      exitCode: exitCode(how),
      reason: exitCode(how) === 0 ? 'Completed' : 'Error',
      message: said.slice(0, 4096),
      startedAt: container.startedAt,
      finishedAt: seconds(new Date()),
    };
    await patch(pod, statusOf(exitCode(how) === 0 ? 'Succeeded' : 'Failed', { terminated }));
    // Where its deletion was asked for meanwhile, no event comes any more that would lead to it.
    const now = await kube.get(PODS, refOf(keyOf(pod))).catch(() => undefined);
    if (now?.metadata?.uid === uid && now.metadata.deletionTimestamp !== undefined) await remove(now);
  }

  function named(name: string): Container {
    const found = [...containers.values()].find(({ pod }) => pod.metadata?.name === name);
    if (!found) throw new Error(`no process of a pod ${name} runs`);
    return found;
  }

  async function patch(pod: Pod, status: object): Promise<void> {
    if (stop.signal.aborted) return;
    const merge = { metadata: { uid: pod.metadata?.uid }, status };
    await kube.patch(PODS, refOf(keyOf(pod)), { merge }, { subresource: 'status' }).catch((error: unknown) => {
      // Deleted by force, or the test is over.
      if (!stop.signal.aborted && !isKubeError(error, 'NotFound', 'Conflict')) throw error;
    });
  }

  async function remove({ metadata }: Pod): Promise<void> {
    const path = `/api/v1/namespaces/${metadata?.namespace}/pods/${metadata?.name}`;
    await admin.send('DELETE', path, { gracePeriodSeconds: 0, preconditions: { uid: metadata?.uid } });
  }

  const controlled = reflectWorkloads(
    kube,
    namespace,
    async (stores) => {
      await pass(stores.pods.list());
      await controlJobs(kube, stores);
    },
    stop.signal,
  );
  return {
    running: () => [...containers.values()].map(({ pod }) => pod.metadata?.name ?? ''),
    get mostAtOnce() {
      return mostAtOnce;
    },
    kill(name) {
      named(name).process.kill();
    },
    lose(name) {
      const container = named(name);
      lost.add(container.pod.metadata?.uid ?? '');
      hangUp(container);
    },
    pid: (name) => named(name).process.pid ?? 0,
    async stop() {
      stop.abort();
      const all = [...containers.values()];
      for (const { process } of all) process.kill();
      await Promise.all(all.map(({ process }) => process.ended));
      await controlled;
    },
  };
}

/** Nobody reaches it any more. */
function hangUp({ server }: Container): void {
  server?.close();
  server?.closeAllConnections();
}

function end({ process }: Container, graceSeconds: number): void {
  process.stop();
  const timer = setTimeout(() => process.kill(), graceSeconds * 1000);
  void process.ended.then(() => clearTimeout(timer));
}

/** Writes the Secrets and ConfigMaps that a pod mounts below a folder of its own; their folders, by the paths at which the pod finds them. */
async function mountedFiles(
  { metadata, spec }: Pod,
  { admin, namespace, folder }: ProcessNodeOptions,
): Promise<ReadonlyMap<string, string>> {
  const folders = new Map<string, string>();
  for (const { name, secret, configMap } of spec?.volumes ?? []) {
    const path = spec?.containers[0]?.volumeMounts?.find((mount) => mount.name === name)?.mountPath;
    const source = secret ? `secrets/${secret.secretName}` : configMap && `configmaps/${configMap.name}`;
    if (path === undefined || source === undefined) continue;
    const target = join(folder, `${metadata?.uid}-${name}`);
    mkdirSync(target, { recursive: true });
    folders.set(path, target);
    const { status, body } = await admin.send('GET', `/api/v1/namespaces/${namespace}/${source}`);
    // Optional, as those of trainers are: the folder stays empty.
    if (status !== 200) continue;
    const { data = {} } = body as { readonly data?: Readonly<Record<string, string>> };
    for (const { key, path: file } of (secret ?? configMap)?.items ?? []) {
      const value = data[key];
      if (value !== undefined) writeFileSync(join(target, file), secret ? Buffer.from(value, 'base64') : value);
    }
  }
  return folders;
}

/** The command of the pod's one container; what it would find below /claims, or where files are mounted, it finds in folders. */
function programOf({ metadata, spec }: Pod, { claims, folder }: ProcessNodeOptions, files: ReadonlyMap<string, string>): Program {
  const container = spec?.containers[0];
  const variables = (container?.env ?? []).map(({ name, value, valueFrom }) => {
    const path = /^metadata\.annotations\['(.+)'\]$/.exec(valueFrom?.fieldRef?.fieldPath ?? '')?.[1];
    const text = path === undefined ? (value ?? '') : (metadata?.annotations?.[path] ?? '');
    const mount = [...files].find(([at]) => text === at || text.startsWith(`${at}/`));
    return [name, mount ? mount[1] + text.slice(mount[0].length) : text] as const;
  });
  const { HOME: _, PGGAN_RUN: run = '{}', ...env } = Object.fromEntries(variables);
  // Any free port: all processes of a node share its ports, as pods do not.
  const document = { ...(JSON.parse(inside(run, claims)) as object), port: 0 };
  return {
    command: trainerCommand(...(container?.args ?? [])),
    env: { ...env, PGGAN_RUN: JSON.stringify(document) },
    log: join(folder, `${metadata?.name}.log`),
    terminationLog: join(folder, `${metadata?.uid}.json`),
  };
}

function inside(text: string, claims: ProcessNodeOptions['claims']): string {
  return Object.entries(claims).reduce((all, [claim, folder]) => all.replaceAll(`file:///claims/${claim}/`, `file://${folder}/`), text);
}

function outside(text: string, claims: ProcessNodeOptions['claims']): string {
  return Object.entries(claims).reduce((all, [claim, folder]) => all.replaceAll(`file://${folder}/`, `file:///claims/${claim}/`), text);
}

/** Port 8080 of a loopback address of the pod's own (or the place that is given), in front of the port that its process was given. */
async function serve(port: number, rewrite: (text: string) => string, taken: Set<string>, at?: Place) {
  const server = createServer((request, response) => {
    fetch(`http://127.0.0.1:${port}${request.url}`).then(
      async (answer) => response.writeHead(answer.status, { 'content-type': 'application/json' }).end(rewrite(await answer.text())),
      () => response.destroy(),
    );
  });
  if (at) {
    server.listen(at.port, at.address);
    await once(server, 'listening');
    return { server, address: at.address };
  }
  for (let attempt = 0; ; attempt += 1) {
    const number = taken.size + 1;
    const address = `127.${10 + (process.pid % 200)}.${(number + attempt) >> 8}.${(number + attempt) & 255 || 1}`;
    taken.add(address);
    server.listen(TRAINER_PORT, address);
    const failed = await once(server, 'listening').then(
      () => undefined,
      (error: unknown) => error,
    );
    if (failed === undefined) return { server, address };
    if (attempt === 100) throw new Error('no loopback address has port 8080 free');
  }
}

function statusOf(phase: string, state: object, podIP?: string): object {
  const running = phase === 'Running';
  const container = { name: 'trainer', image: 'trainer', imageID: '', ready: running, restartCount: 0, started: running, state };
  return { phase, containerStatuses: [container], ...(podIP !== undefined && { podIP, podIPs: [{ ip: podIP }] }) };
}

function exitCode({ exitCode: code, signal }: End): number {
  if (code !== undefined) return code;
  return 128 + (constants.signals[(signal ?? 'SIGKILL') as NodeJS.Signals] ?? 9);
}

const seconds = (time: Date): string => time.toISOString().replace(/\.\d+Z$/, 'Z');
