/**
 * A whole controller in miniature, to be killed by tests: each ConfigMap labelled role=source gets one ConfigMap with the same value, is told of
 * it in its data and by an event, and takes it along when it goes. Arguments: kubeconfig, namespace, identity.
 */
import { KubeConfig } from '@kubernetes/client-node';
import { createKube } from '../../operator/kube/client.ts';
import { connectionOf } from '../../operator/kube/connection.ts';
import { createController, type Result } from '../../operator/kube/controller.ts';
import { isKubeError } from '../../operator/kube/errors.ts';
import { createRecorder } from '../../operator/kube/events.ts';
import { withFinalizer } from '../../operator/kube/finalizer.ts';
import { createElection } from '../../operator/kube/lease.ts';
import { createReflector } from '../../operator/kube/reflector.ts';
import { CONFIG_MAPS, type ConfigMap, keyOf, refOf } from '../../operator/kube/resource.ts';
import { createWorkQueue } from '../../operator/kube/workqueue.ts';

const [kubeconfig = '', namespace = '', identity = ''] = process.argv.slice(2);
const config = new KubeConfig();
config.loadFromFile(kubeconfig);
const kube = createKube(await connectionOf(config), { userAgent: `mirror/${identity}` });
const queue = createWorkQueue();
const recorder = createRecorder({ kube, controller: 'pggan.dev/mirror', instance: identity });
const signal = new AbortController().signal;

const reflect = (role: string, keyFor: (object: ConfigMap) => string) =>
  createReflector<ConfigMap, ConfigMap>({
    kube,
    resource: CONFIG_MAPS,
    namespace,
    labelSelector: `role=${role}`,
    project: (object) => object,
    onChange: ({ object }) => queue.add(keyFor(object)),
  });
const sources = reflect('source', keyOf);
const mirrors = reflect('mirror', (object) => keyOf(object).replace(/-mirror$/, ''));

async function reconcile(key: string): Promise<Result> {
  const source = sources.store.get(key);
  if (source === undefined) return {};
  const mirror = { namespace, name: `${refOf(key).name}-mirror` };
  return withFinalizer({ kube, resource: CONFIG_MAPS, name: 'pggan.dev/mirror' }, source, {
    async reconcile() {
      const value = source.data?.['value'] ?? '';
      const present = mirrors.store.get(`${key}-mirror`);
      if (present === undefined) {
        await kube.create(CONFIG_MAPS, { metadata: { ...mirror, labels: { role: 'mirror' } }, data: { value } }).catch((error: unknown) => {
          // A process before us made it, or we did and have not heard of it yet.
          if (!isKubeError(error, 'AlreadyExists')) throw error;
        });
        recorder.record(source, CONFIG_MAPS, {
          type: 'Normal',
          reason: 'Mirrored',
          action: 'Mirroring',
          note: `${mirror.name} was created.`,
        });
      } else if (present.data?.['value'] !== value) {
        await kube.apply(CONFIG_MAPS, mirror, { data: { value } }, { fieldManager: 'mirror', force: true });
      }
      if (source.data?.['mirrored'] !== value)
        await kube.apply(CONFIG_MAPS, refOf(key), { data: { mirrored: value } }, { fieldManager: 'mirror', force: true });
      return {};
    },
    async cleanup() {
      await kube.delete(CONFIG_MAPS, mirror).catch((error: unknown) => {
        if (!isKubeError(error, 'NotFound')) throw error;
      });
    },
  });
}

const times = { durationSeconds: 3, renewDeadlineSeconds: 2, retrySeconds: 0.3 };
const election = createElection({ kube, lease: { namespace, name: 'mirror' }, identity, ...times });
void sources.run(signal);
void mirrors.run(signal);
const controller = createController({ queue, reconcile, ready: [sources.synced, mirrors.synced], workers: 2 });
await election.run((leading) => controller.run(leading), signal);
process.exit(1);
