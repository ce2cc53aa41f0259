/** The table of layers that a log begins with: name, parameters, output and weight shapes, total, as the reference prints it. */
import { discriminatorWeights, generatorWeights, type NetworkShape, parameterCount, type WeightSpec } from './weights.ts';

type Row = readonly [name: string, params: string, output: string, weight: string];

/** Several lines without a final line break. Output shapes are [N, C, H, W] at the final resolution. */
export function layerTable(network: 'G' | 'D', shape: NetworkShape): string {
  const specs = network === 'G' ? generatorWeights(shape) : discriminatorWeights(shape);
  const images = format(['?', shape.channels, shape.resolution, shape.resolution]);
  const [inputs, outputs]: readonly [readonly Row[], readonly Row[]] =
    network === 'G'
      ? [
          [
            ['latents_in', '-', format(['?', shape.latentSize]), '-'],
            ['labels_in', '-', format(['?', shape.labelSize]), '-'],
          ],
          [['images_out', '-', images, '-']],
        ]
      : [
          [['images_in', '-', images, '-']],
          [
            ['scores_out', '-', format(['?', 1]), '-'],
            ['labels_out', '-', format(['?', shape.labelSize]), '-'],
          ],
        ];
  const rows: readonly Row[] = [
    [network, 'Params', 'OutputShape', 'WeightShape'],
    ['---', '---', '---', '---'],
    ...inputs,
    ...specs.filter((spec) => spec.name.endsWith('/weight')).map((spec) => layerRow(specs, spec)),
    ...outputs,
    ['---', '---', '---', '---'],
    ['Total', String(parameterCount(specs)), '', ''],
  ];
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function layerRow(specs: readonly WeightSpec[], weight: WeightSpec): Row {
  const layer = weight.name.slice(0, -'/weight'.length);
  const bias = specs.find((spec) => spec.name === `${layer}/bias`);
  const params = parameterCount(bias ? [weight, bias] : [weight]);
  return [layer, String(params), format(outputShape(layer, weight, bias?.shape[0] ?? 0)), format(weight.shape)];
}

function outputShape(layer: string, weight: WeightSpec, channels: number): readonly (number | string)[] {
  if (/^4x4\/Dense[01]$/.test(layer)) return ['?', channels];
  const isHalved = layer.endsWith('/Conv1_down');
  const size = isHalved ? weight.resolution / 2 : weight.resolution;
  return ['?', channels, size, size];
}

const format = (shape: readonly (number | string)[]): string => `(${shape.join(', ')})`;
