/** All that a board asks of Prometheus. */
import type { Board } from './board.ts';

export type AskedQuery = { readonly where: string; readonly expr: string; readonly legend: string; readonly instant: boolean };

/** Queries of panels and of annotations. */
export function queriesOf({ panels, annotations }: Board): readonly AskedQuery[] {
  const ofPanels = panels.flatMap((panel) =>
    ('targets' in panel ? (panel.targets ?? []) : []).map(({ expr, legendFormat, instant }) => ({
      where: panel.title ?? '',
      expr: String(expr),
      legend: typeof legendFormat === 'string' ? legendFormat : '',
      instant: instant === true,
    })),
  );
  const ofMarks = (annotations?.list ?? []).map(({ name, target }) => ({
    where: name,
    expr: String((target as { readonly expr?: string } | undefined)?.expr),
    legend: '',
    instant: false,
  }));
  return [...ofPanels, ...ofMarks];
}

/** The label and the metric of each variable. */
export function variablesOf({ templating }: Board): readonly { readonly name: string; readonly metric: string; readonly label: string }[] {
  return (templating?.list ?? []).flatMap(({ name, query }) => {
    const text = typeof query === 'object' ? String(query['query']) : '';
    const [, metric, label] = /^label_values\((\w+).*, (\w+)\)$/.exec(text) ?? [];
    return metric === undefined || label === undefined ? [] : [{ name, metric, label }];
  });
}

export const metricsIn = (expr: string): readonly string[] =>
  [...expr.matchAll(/\bpggan_\w+/g)].map(([name]) => name.replace(/_bucket$/, ''));
