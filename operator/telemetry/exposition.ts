/** Prometheus' text format for metrics that are read from objects when they are asked for: a series is there as long as its object is. */
import { setImmediate } from 'node:timers/promises';

/** One metric over all objects of a kind. */
export type ObjectMetric<T> = {
  readonly name: string;
  readonly type: 'gauge' | 'counter';
  readonly help: string;
  /** For the documentation: what the value counts in. */
  readonly unit: string;
  /** Besides namespace and name. */
  readonly labels: readonly string[];
  /** Values of the labels and of the metric, in the present state of an object; none where it has none yet. */
  readonly samples: (object: T) => readonly Sample[];
};

export type Sample = readonly [value: number | undefined, ...labels: readonly string[]];

/** An object under the names that all of its series carry. */
export type Named<T> = { readonly namespace: string; readonly name: string; readonly object: T };

/** Others wait no longer than this for the event loop, but for what the collector of garbage takes. */
const TURN_MILLISECONDS = 10;
/** Objects between two looks at the time. */
const CHUNK = 50;

/** The metrics one after another, as the format wants them, each over all objects, in pages: joining them would take a turn as long as all. */
export async function exposition<T>(metrics: readonly ObjectMetric<T>[], objects: readonly Named<T>[]): Promise<readonly Buffer[]> {
  const pages: Buffer[] = [];
  let turn = performance.now();
  for (const metric of metrics) {
    let head = `# HELP ${metric.name} ${metric.help}\n# TYPE ${metric.name} ${metric.type}\n`;
    for (let first = 0; first < objects.length; first += CHUNK) {
      let page = '';
      for (const named of objects.slice(first, first + CHUNK)) page += lines(metric, named);
      if (page !== '') {
        // Outside of the heap, where nobody has to go through it to collect garbage.
        pages.push(Buffer.from(head + page));
        head = '';
      }
      if (performance.now() - turn < TURN_MILLISECONDS) continue;
      await setImmediate();
      turn = performance.now();
    }
  }
  return pages;
}

function lines<T>({ name, labels, samples }: ObjectMetric<T>, named: Named<T>): string {
  const common = `namespace="${escaped(named.namespace)}",name="${escaped(named.name)}"`;
  let written = '';
  for (const [value, ...values] of samples(named.object)) {
    if (value === undefined || Number.isNaN(value)) continue;
    const own = labels.map((label, index) => `,${label}="${escaped(values[index] ?? '')}"`);
    written += `${name}{${common}${own.join('')}} ${value}\n`;
  }
  return written;
}

function escaped(value: string): string {
  if (!/[\\"\n]/.test(value)) return value;
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

/** A page that is being written is shared by all who ask for it meanwhile. */
export function shared<T>(make: () => Promise<T>): () => Promise<T> {
  let under: Promise<T> | undefined;
  return () => {
    under ??= make().finally(() => (under = undefined));
    return under;
  };
}
