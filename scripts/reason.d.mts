/** Why a step of set-up failed, in one line. */
export function reasonOf(thrown: unknown): string;
