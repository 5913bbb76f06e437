export const dumpVerb = null as never;
