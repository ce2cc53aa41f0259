/** What people type for a place: a folder of this machine, or the URI of a store. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

/** `runs/normal` as a file URI; what is a URI already stays as it is. */
export const uriOf = (place: string): string => (/^[a-z0-9]+:\/\//.test(place) ? place : pathToFileURL(resolve(place)).href);
