/** An error with its stack, through all its causes. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return `no Error: ${JSON.stringify(error)}`;
  if (error.cause === undefined) return error.stack ?? error.message;
  return `${error.name}: ${error.message}, caused by ${describeError(error.cause)}`;
}
