export type ImageName = 'pggan-operator' | 'pggan-trainer' | 'pggan-trainer-gpu' | 'pggan-test-pause';
/** The archive of an image as its sources are now, which `npm run images` makes, and the name that the image has in there. */
export function imageArchive(name: ImageName): { readonly archive: string; readonly tag: string };
