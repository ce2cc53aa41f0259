/** The keyword arguments with which a snapshot's networks were built, as our options. */
import { NETWORK_DEFAULTS, type NetworkOptions } from '../../../crds/run.ts';
import { featureMaps } from '../../../crds/cost.ts';
import type { NetworkShape } from '../../networks/weights.ts';
import { type Dict, describe, type PickleValue, type Refuse } from './values.ts';

export type Keywords = { readonly G: Dict; readonly D: Dict };

type Kind = 'whole' | 'number' | 'flag';
type Option = {
  readonly option: keyof NetworkOptions | 'resolution' | 'labelSize';
  readonly networks: 'G' | 'D' | 'GD';
  readonly kind: Kind;
};

const OPTIONS: Readonly<Record<string, Option>> = {
  num_channels: { option: 'channels', networks: 'GD', kind: 'whole' },
  resolution: { option: 'resolution', networks: 'GD', kind: 'whole' },
  label_size: { option: 'labelSize', networks: 'GD', kind: 'whole' },
  fmap_base: { option: 'fmapBase', networks: 'GD', kind: 'whole' },
  fmap_decay: { option: 'fmapDecay', networks: 'GD', kind: 'number' },
  fmap_max: { option: 'fmapMax', networks: 'GD', kind: 'whole' },
  use_wscale: { option: 'useWscale', networks: 'GD', kind: 'flag' },
  fused_scale: { option: 'fusedScale', networks: 'GD', kind: 'flag' },
  latent_size: { option: 'latentSize', networks: 'G', kind: 'whole' },
  normalize_latents: { option: 'normalizeLatents', networks: 'G', kind: 'flag' },
  use_pixelnorm: { option: 'usePixelnorm', networks: 'G', kind: 'flag' },
  pixelnorm_epsilon: { option: 'pixelnormEpsilon', networks: 'G', kind: 'number' },
  use_leakyrelu: { option: 'useLeakyRelu', networks: 'G', kind: 'flag' },
  mbstd_group_size: { option: 'mbstdGroupSize', networks: 'D', kind: 'whole' },
};

/** How the original builds its graph, and in what it computes: the weights are float32 all the same. */
const IRRELEVANT = new Set(['structure', 'dtype', 'is_template_graph']);

/** What the original takes where a keyword is absent. A latent vector is as long as there are feature maps before the first block. */
const DEFAULTS = { ...NETWORK_DEFAULTS, resolution: 32, labelSize: 0 };

/** @throws {PgganError} SnapshotInvalid through `refuse`, for an option that our networks do not have, or have for both networks at once */
export function networkShape({ G, D }: Keywords, refuse: Refuse): NetworkShape {
  const given = new Map<string, number | boolean>();
  for (const [network, keywords] of [
    ['G', G],
    ['D', D],
  ] as const) {
    for (const [keyword, value] of keywords.entries) {
      if (IRRELEVANT.has(keyword)) continue;
      const known = Object.hasOwn(OPTIONS, keyword) ? OPTIONS[keyword] : undefined;
      if (!known || !known.networks.includes(network))
        return refuse(value.at, `${network} was built with ${keyword}, an option that is not known here`);
      // None is what the original calls 'derived from the others'.
      if (known.option === 'latentSize' && value.kind === 'plain' && value.value === null) continue;
      given.set(`${network}.${known.option}`, valueOf(value, `${network}: ${keyword}`, known.kind, refuse));
    }
  }
  const options = Object.values(OPTIONS).map(({ option, networks }) => {
    const [ofG, ofD] = [given.get(`G.${option}`) ?? DEFAULTS[option], given.get(`D.${option}`) ?? DEFAULTS[option]];
    if (networks === 'GD' && ofG !== ofD) return refuse(D.at, `${option} is ${ofG} in G and ${ofD} in D, but one value has to serve both`);
    return [option, networks === 'D' ? ofD : ofG];
  });
  const shape = Object.fromEntries(options) as NetworkShape;
  checkRanges(shape, G.at, refuse);
  return given.has('G.latentSize') ? shape : { ...shape, latentSize: featureMaps(shape, 0) };
}

function valueOf(found: PickleValue, what: string, kind: Kind, refuse: Refuse): number | boolean {
  const value = found.kind === 'plain' ? found.value : undefined;
  const fits = kind === 'flag' ? typeof value === 'boolean' : typeof value === 'number' && Number.isFinite(value) && value >= 0;
  if (!fits || (kind === 'whole' && !Number.isInteger(value))) {
    const wanted = { flag: 'True or False', whole: 'a whole number from 0 up', number: 'a number from 0 up' }[kind];
    return refuse(found.at, `${what} should be ${wanted} but is ${describe(found)}`);
  }
  return value as number | boolean;
}

/** What the tensors cannot tell by their shapes, or only after a table of the wrong size has been made. */
function checkRanges(shape: NetworkShape, at: number, refuse: Refuse): void {
  const { resolution, channels, pixelnormEpsilon } = shape;
  if (!Number.isInteger(Math.log2(resolution)) || resolution < 4 || resolution > 1024)
    refuse(at, `the networks' resolution is ${resolution}: a power of two from 4 to 1024 is wanted`);
  if (channels !== 1 && channels !== 3) refuse(at, `the networks' images have ${String(channels)} channels: 1 or 3 are wanted`);
  if (pixelnormEpsilon === 0) refuse(at, 'pixelnorm_epsilon is 0');
  for (const option of ['fmapBase', 'fmapMax', 'latentSize'] as const) if (shape[option] < 1) refuse(at, `${option} is ${shape[option]}`);
}
