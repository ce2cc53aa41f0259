/** The folder for what is fetched and built. */
export const cache: string;
