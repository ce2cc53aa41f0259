/**
 * What kwok does with pods and nodes in place of kubelets: a pod runs, says its last words and ends with an exit code of choice; one that is
 * deleted while it runs first ends, as a trainer that saves does. Written as kwok's own configuration (Stages), which it plays by itself.
 */

/** How pods are told what to do: annotations of a pod, and so of `spec.template` of a training. */
export const POD_ANNOTATIONS = {
  /** How long it runs, as a Go duration such as "1.5s", or "ever". */
  runsFor: 'kwok.test/runs-for',
  /** How it then ends: 0 where absent. */
  exitCode: 'kwok.test/exit-code',
  /** How long it takes to end after it was told to, as a Go duration, or "ever": its grace then ends it, with exit code 137. */
  stopsAfter: 'kwok.test/stops-after',
  /** How it ends then: 75 where absent. */
  exitOnDeletion: 'kwok.test/exit-on-deletion',
} as const;

/** What a pod is known by, and where its document of progress is asked for and what is left of it at its end (kwok adds the time). */
export type PodTale = { readonly address: string; readonly lastWords: object };

/** By the value of a pod's label pggan.dev/resolution; of a pod without, by that of app.kubernetes.io/component. */
export type PodTales = Readonly<Record<string, PodTale>>;

/** kwok's configuration file. */
export function kwokConfiguration(tales: PodTales): string {
  // The usual four workers for pods would be the bottleneck of a fleet. What is left out here is none.
  const options = { podPlayStageParallelism: 16, nodePlayStageParallelism: 4, nodeLeaseParallelism: 4, podsOnNodeSyncParallelism: 4 };
  const configuration = { apiVersion: 'config.kwok.x-k8s.io/v1alpha1', kind: 'KwokConfiguration', options };
  return [configuration, ...stages(tales)].map((document) => JSON.stringify(document)).join('\n---\n');
}

type Match = { readonly key: string; readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist'; readonly values?: readonly string[] };

const annotation = (name: string): string => `.metadata.annotations[${JSON.stringify(name)}]`;
const there = { key: '.metadata.deletionTimestamp', operator: 'DoesNotExist' } as const;
const going = { key: '.metadata.deletionTimestamp', operator: 'Exists' } as const;
const phase = (operator: 'In' | 'NotIn', ...values: readonly string[]): Match => ({ key: '.status.phase', operator, values });
const forEver = (name: string, operator: 'In' | 'NotIn'): Match => ({ key: annotation(name), operator, values: ['ever'] });

/** An expression of the template language: the value of an annotation. */
const told = (name: string, otherwise: number): string => `or (index (or .metadata.annotations dict) "${name}") "${otherwise}"`;

/** At any time at most one of them matches a pod: where several do, kwok throws dice. */
function stages(tales: PodTales): readonly object[] {
  const { runsFor, exitCode, stopsAfter, exitOnDeletion } = POD_ANNOTATIONS;
  const running = phase('In', 'Running');
  return [
    stage('Node', 'node-ready', [{ key: NODE_READY, operator: 'NotIn', values: ['True'] }], { statusTemplate: NODE_STATUS }),
    stage('Pod', 'pod-runs', [there, phase('In', 'Pending')], { statusTemplate: runningStatus(tales) }),
    stage(
      'Pod',
      'pod-ends',
      [there, running, forEver(runsFor, 'NotIn')],
      { statusTemplate: endedStatus(tales, told(exitCode, 0)) },
      annotation(runsFor),
    ),
    stage(
      'Pod',
      'pod-stops',
      [going, running, forEver(stopsAfter, 'NotIn')],
      { statusTemplate: endedStatus(tales, told(exitOnDeletion, 75)) },
      annotation(stopsAfter),
    ),
    // The time of deletion is that at which the grace is over.
    stage(
      'Pod',
      'pod-killed',
      [going, running, forEver(stopsAfter, 'In')],
      { statusTemplate: endedStatus(tales, '"137"') },
      '.metadata.deletionTimestamp',
    ),
    // Its finalizer stays until the Job controller has counted it.
    stage('Pod', 'pod-goes', [going, phase('NotIn', 'Running')], { delete: true }),
  ];
}

function stage(kind: string, name: string, matchExpressions: readonly Match[], next: object, delayFrom?: string): object {
  const delay = delayFrom === undefined ? {} : { delay: { durationMilliseconds: 0, durationFrom: { expressionFrom: delayFrom } } };
  const spec = { resourceRef: { apiGroup: 'v1', kind }, selector: { matchExpressions }, ...delay, next };
  return { apiVersion: 'kwok.x-k8s.io/v1alpha1', kind: 'Stage', metadata: { name }, spec };
}

const NODE_READY = '.status.conditions.[] | select( .type == "Ready" ) | .status';

const NOW = '{{ $now := dateInZone "2006-01-02T15:04:05Z" now "UTC" }}';

const NODE_STATUS = `
{{ $now := Now }}
conditions:
{{ range NodeConditions }}
- { type: {{ .type }}, status: "{{ .status }}", reason: {{ .reason }}, message: {{ .message }}, lastHeartbeatTime: "{{ $now }}", lastTransitionTime: "{{ $now }}" }
{{ end }}
addresses: [{ type: InternalIP, address: "{{ NodeIP }}" }, { type: Hostname, address: "{{ NodeName }}" }]
phase: Running`;

/** The tale of the pod at hand, as the variable $tale. */
function taleOf(tales: PodTales): string {
  return `{{ $tales := fromJson \`${JSON.stringify(tales)}\` }}
{{ $key := or (index .metadata.labels "pggan.dev/resolution") (index .metadata.labels "app.kubernetes.io/component") }}
{{ $tale := or (index $tales $key) dict }}`;
}

function runningStatus(tales: PodTales): string {
  return `${NOW}${taleOf(tales)}
phase: Running
startTime: "{{ $now }}"
hostIP: 127.0.0.1
podIP: "{{ or $tale.address "127.0.0.1" }}"
conditions:
{{ range list "Initialized" "Ready" "ContainersReady" }}
- { type: {{ . }}, status: "True", lastTransitionTime: "{{ $now }}" }
{{ end }}
containerStatuses:
{{ range .spec.containers }}
- { name: {{ .name }}, image: "{{ .image }}", imageID: "", ready: true, started: true, restartCount: 0, state: { running: { startedAt: "{{ $now }}" } } }
{{ end }}`;
}

/** Of one container: our pods have no other. `code` is an expression of the template language. */
function endedStatus(tales: PodTales, code: string): string {
  return `${NOW}${taleOf(tales)}
{{ $code := ${code} }}
{{ $said := or $tale.lastWords dict }}
{{ $words := eq $code "0" | ternary (toJson (set $said "time" $now)) (printf "ended by a test with exit code %s" $code) }}
{{ $started := (index .status.containerStatuses 0).state.running.startedAt }}
phase: {{ eq $code "0" | ternary "Succeeded" "Failed" }}
conditions:
{{ range list "Ready" "ContainersReady" }}
- { type: {{ . }}, status: "False", lastTransitionTime: "{{ $now }}" }
{{ end }}
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name }}
  image: "{{ .image }}"
  imageID: ""
  ready: false
  started: false
  restartCount: 0
  state:
    terminated:
      exitCode: {{ $code }}
      reason: {{ eq $code "0" | ternary "Completed" "Error" }}
      message: {{ $words | Quote }}
      startedAt: "{{ $started }}"
      finishedAt: "{{ $now }}"
{{ end }}`;
}
