/** What a person is called for: the one table of alerts, from which the chart's rules are made. Each has a page in docs/runbooks. */
import { lastSafe, OBJECT, ofCurrentResolution, STORE_REASONS, TRAINS } from './queries.ts';

export type Alert = {
  readonly name: string;
  /** warning: somebody should look today; critical: nothing goes on until somebody does; info: worth knowing. */
  readonly severity: 'info' | 'warning' | 'critical';
  readonly expr: string;
  /** How long it must hold. */
  readonly for: string;
  /** With Prometheus' templates: `{{ $labels.name }}`. */
  readonly summary: string;
  readonly description: string;
};

/** Of a penalty that pulls it to 1; healthy runs stay within 0.7 and 1.5. */
const GRADIENT_NORM = 4;

const TRAINING = 'PGGANTraining {{ $labels.namespace }}/{{ $labels.name }}';

export const ALERTS: readonly Alert[] = [
  {
    name: 'PGGANTrainingStalled',
    severity: 'warning',
    expr: `max by (${OBJECT}, reason) (pggan_training_reason) and on (${OBJECT}) pggan_training_condition{condition="Stalled"} == 1`,
    for: '5m',
    summary: `${TRAINING} waits for a person: {{ $labels.reason }}`,
    description: 'It waits for somebody to act. The message of its condition Stalled says what to do, or what it waits for.',
  },
  {
    name: 'SynthesisJobStalled',
    severity: 'warning',
    expr: `max by (${OBJECT}, reason) (pggan_synthesisjob_reason) and on (${OBJECT}) pggan_synthesisjob_condition{condition="Stalled"} == 1`,
    for: '5m',
    summary: 'SynthesisJob {{ $labels.namespace }}/{{ $labels.name }} waits for a person: {{ $labels.reason }}',
    description: 'It waits for somebody to act. The message of its condition Stalled says what to do, or what it waits for.',
  },
  {
    name: 'PGGANTrainingDiverging',
    severity: 'warning',
    expr: [
      '(',
      `  max by (${OBJECT}) (pggan_training_gradient_norm > ${GRADIENT_NORM} ${ofCurrentResolution()})`,
      // A tick was told, and in it every loss was infinite or no number.
      `  or (max by (${OBJECT}) (pggan_training_seconds_per_kimg) unless on (${OBJECT}) (pggan_training_loss ${ofCurrentResolution()}))`,
      ')',
      `and on (${OBJECT}) ${TRAINS}`,
    ].join('\n'),
    for: '30m',
    summary: `${TRAINING} diverges`,
    description: `Its gradient norm stays above ${GRADIENT_NORM}, where the penalty pulls it to 1, or its losses are no numbers: what it trains from here on may be worth nothing.`,
  },
  {
    name: 'PGGANCheckpointTooOld',
    severity: 'warning',
    expr: [
      `time() - ${lastSafe()}`,
      `> on (${OBJECT}) 3 * max by (${OBJECT}) (pggan_training_checkpoint_interval_seconds) + 600`,
      `and on (${OBJECT}) ${TRAINS}`,
    ].join('\n'),
    for: '5m',
    summary: `${TRAINING} has saved nothing for {{ $value | humanizeDuration }}`,
    description: 'It trains, but its checkpoints do not come when they are due: a kill would cost all of that.',
  },
  {
    name: 'PGGANTrainingRestarting',
    severity: 'warning',
    expr: `round(sum by (${OBJECT}) (increase(pggan_training_failures_total[1h]))) >= 3`,
    for: '0m',
    summary: `${TRAINING} failed {{ $value }} times in an hour`,
    description: 'Its pods fail and are started again. After maxRestarts failures in one phase it stalls.',
  },
  {
    name: 'PGGANStoreFailing',
    severity: 'critical',
    expr: [
      `max by (${OBJECT}, reason) (pggan_training_reason{reason=~"${STORE_REASONS}"})`,
      `or max by (${OBJECT}, reason) (pggan_synthesisjob_reason{reason=~"${STORE_REASONS}"})`,
    ].join('\n'),
    for: '15m',
    summary: '{{ $labels.namespace }}/{{ $labels.name }} waits for its store: {{ $labels.reason }}',
    description:
      'The object store is out of reach, refuses the credentials, or is full. It is tried again, and goes on by itself when the store is well.',
  },
  {
    name: 'PGGANOperatorDown',
    severity: 'critical',
    expr: 'absent(pggan_operator_leader == 1)',
    for: '5m',
    summary: 'No pggan-operator leads',
    description: 'Processes that train go on, but no phase begins, nothing is started again, and no status is written.',
  },
  {
    name: 'PGGANOperatorWatchStale',
    severity: 'warning',
    expr: 'max by (instance, resource) (pggan_operator_watch_staleness_seconds) > 300',
    for: '5m',
    summary: 'pggan-operator has not heard of {{ $labels.resource }} for {{ $value | humanizeDuration }}',
    description: 'The API server keeps quiet on a watch: the operator acts on what it saw last.',
  },
  {
    name: 'PGGANQueueWait',
    severity: 'info',
    expr: [
      `max by (${OBJECT}) (pggan_training_reason{reason="Queued"})`,
      `or max by (${OBJECT}) (pggan_synthesisjob_reason{reason="Queued"})`,
    ].join('\n'),
    for: '6h',
    summary: '{{ $labels.namespace }}/{{ $labels.name }} has been queued for six hours',
    description: 'Its queue has not admitted its Job.',
  },
];

/** A file of rules as Prometheus loads it, and the group of a PrometheusRule. */
export function rulesOf(alerts: readonly Alert[]): object {
  const rules = alerts.map(({ name, severity, expr, for: held, summary, description }) => ({
    alert: name,
    expr,
    for: held,
    labels: { severity },
    annotations: { summary, description },
  }));
  return { groups: [{ name: 'pggan-operator', rules }] };
}
