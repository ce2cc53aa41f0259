/** Panels of Grafana boards, typed by the options of their plugins: a board says what is shown, these say how it looks. */
import {
  BigValueColorMode,
  BigValueGraphMode,
  BigValueJustifyMode,
  BigValueTextMode,
  type DataSourceRef,
  type DataTransformerConfig,
  type FieldConfig,
  FieldColorModeId,
  LegendDisplayMode,
  type Panel,
  PercentChangeColorMode,
  SortOrder,
  type Threshold,
  ThresholdsMode,
  TooltipDisplayMode,
  type VizLegendOptions,
  VizOrientation,
} from '@grafana/schema';
import type { Options as StatOptions } from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type { Options as TableOptions } from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type {
  FieldConfig as LineFields,
  Options as LineOptions,
} from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';
import type { Options as TrendOptions } from '@grafana/schema/dist/esm/raw/composable/trend/panelcfg/x/TrendPanelCfg_types.gen';

/** A query; `legend` names its series, with `{{label}}` filled in. */
export type Query = { readonly expr: string; readonly legend?: string };

/** A panel that has no place on a board yet; `width` is of 24. */
export type Block = { readonly panel: Omit<Panel, 'id' | 'gridPos'>; readonly width: number; readonly height: number };

type Words = { readonly title: string; readonly description: string; readonly unit?: string };

export const DATASOURCE = { type: 'prometheus', uid: '${datasource}' } satisfies DataSourceRef;

/** Lines over time. */
export function lines({ title, description, unit }: Words, queries: readonly Query[], width = 12): Block {
  const options = { legend: LEGEND, tooltip: TOOLTIP } satisfies LineOptions;
  const panel = { type: 'timeseries', title, description, ...asked(queries), options: { ...options }, fieldConfig: fields(unit, LINE) };
  return { panel, width, height: 8 };
}

const LINE = { lineWidth: 2, fillOpacity: 0, spanNulls: false } satisfies LineFields;

/** Lines over thousands of images: of `queries`, joined in time with `kimg`, which becomes the axis. */
export function overKimg({ title, description, unit }: Words, kimg: string, queries: readonly Query[], width = 12): Block {
  const options = { legend: LEGEND, tooltip: TOOLTIP, xField: 'kimg' } satisfies TrendOptions;
  // A process that goes on from a checkpoint begins before the images that its killed predecessor had shown.
  const transformations = [
    { id: 'joinByField', options: { byField: 'Time', mode: 'outer' } },
    { id: 'sortBy', options: { sort: [{ field: 'kimg' }] } },
    { id: 'organize', options: { excludeByName: { Time: true } } },
  ] satisfies DataTransformerConfig[];
  const targets = asked([{ expr: kimg, legend: 'kimg' }, ...queries]);
  const panel = {
    type: 'trend',
    title,
    description,
    ...targets,
    transformations,
    options: { ...options },
    fieldConfig: fields(unit, LINE),
  };
  return { panel, width, height: 8 };
}

/** A figure as it is now; `names` shows the name of the series in its place. */
export function figure({ title, description, unit }: Words, expr: string, given: Partial<Figure> = {}): Block {
  const { legend, steps = [{ color: 'blue', value: null }], width = 3 } = given;
  const options = {
    reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
    orientation: VizOrientation.Auto,
    colorMode: BigValueColorMode.Value,
    graphMode: BigValueGraphMode.None,
    justifyMode: BigValueJustifyMode.Auto,
    textMode: legend === undefined ? BigValueTextMode.Value : BigValueTextMode.Name,
    showPercentChange: false,
    percentChangeColorMode: PercentChangeColorMode.Standard,
    wideLayout: true,
  } satisfies StatOptions;
  const queries = [legend === undefined ? { expr } : { expr, legend }];
  const panel = {
    type: 'stat',
    title,
    description,
    ...asked(queries, true),
    options: { ...options },
    fieldConfig: fields(unit, {}, steps),
  };
  return { panel, width, height: 4 };
}

type Figure = {
  /** Shown in place of the value. */
  readonly legend: string;
  /** Colours from values on. */
  readonly steps: Threshold[];
  readonly width: number;
};

/** A column of a table: the values of a query whose series have the labels by which rows are told apart, or with `label` one of its labels. */
type Column = { readonly name: string; readonly expr?: string; readonly label?: string; readonly unit?: string; readonly link?: string };

/** One row for each combination of labels that the queries have in common. */
export function table({ title, description }: Words, columns: readonly Column[], width = 24, height = 9): Block {
  const options = { frameIndex: 0, showHeader: true } satisfies TableOptions;
  const measured = columns.flatMap(({ expr }) => (expr === undefined ? [] : [expr]));
  const targets = measured.map((expr, index) => ({ refId: refIdOf(index), expr, format: 'table', instant: true, range: false }));
  // With several queries Grafana calls their values by the query's letter.
  const valueOf = (expr: string): string => `Value #${refIdOf(measured.indexOf(expr))}`;
  const fieldOf = ({ expr = '', label }: Column): string => label ?? valueOf(expr);
  const unshown = columns.flatMap(({ expr, label }) => (expr === undefined || label === undefined ? [] : [valueOf(expr)]));
  const transformations = [
    { id: 'merge', options: {} },
    {
      id: 'organize',
      options: {
        excludeByName: Object.fromEntries(['Time', ...unshown].map((field) => [field, true])),
        indexByName: Object.fromEntries(columns.map((column, index) => [fieldOf(column), index])),
        renameByName: Object.fromEntries(columns.map((column) => [fieldOf(column), column.name])),
      },
    },
  ] satisfies DataTransformerConfig[];
  const overrides = columns.flatMap(({ name, unit, link }) => {
    const properties = [
      ...(unit === undefined ? [] : [{ id: 'unit', value: unit }]),
      ...(link === undefined ? [] : [{ id: 'links', value: [{ title: name, url: link }] }]),
    ];
    return properties.length === 0 ? [] : [{ matcher: { id: 'byName', options: name }, properties }];
  });
  const fieldConfig = { ...fields(undefined, {}), overrides };
  const panel = {
    type: 'table',
    title,
    description,
    datasource: DATASOURCE,
    targets,
    transformations,
    options: { ...options },
    fieldConfig,
  };
  return { panel, width, height };
}

const LEGEND = { displayMode: LegendDisplayMode.List, placement: 'bottom', showLegend: true, calcs: [] } satisfies VizLegendOptions;
const TOOLTIP = { mode: TooltipDisplayMode.Multi, sort: SortOrder.None };

function asked(queries: readonly Query[], instant = false): Pick<Panel, 'datasource' | 'targets'> {
  const targets = queries.map(({ expr, legend }, index) => ({
    refId: refIdOf(index),
    expr,
    instant,
    range: !instant,
    ...(legend !== undefined && { legendFormat: legend }),
  }));
  return { datasource: DATASOURCE, targets };
}

const refIdOf = (index: number): string => String.fromCharCode(65 + index);

function fields(unit: string | undefined, custom: object, steps?: Threshold[]): NonNullable<Panel['fieldConfig']> {
  const defaults: FieldConfig = {
    color: { mode: steps ? FieldColorModeId.Thresholds : FieldColorModeId.PaletteClassicByName },
    custom: { ...custom },
    ...(unit !== undefined && { unit }),
    ...(steps && { thresholds: { mode: ThresholdsMode.Absolute, steps } }),
  };
  return { defaults, overrides: [] };
}
