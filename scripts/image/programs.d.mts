/** Makes `app/operator.mjs` in the folder `layer` out of the checkout at `root`; returns the packages that are in it. */
export function bundleOperator(root: string, layer: string): { readonly packages: readonly string[] };
