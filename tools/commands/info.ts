export const infoVerb = null as never;
