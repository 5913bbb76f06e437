/** What of a binding its exchange does not look at: most often it was made for another type. */
import type { ExchangeType } from './binding.ts';
import { hasOnlyIgnoredConditions, isAny, type HeaderConditions } from './header-conditions.ts';

/** `x-headers`: all of its names begin with `x-`, and its way to match leaves those out. */
export type IgnoredPart = 'pattern' | 'headers' | 'x-headers';

export interface BoundBy {
  readonly pattern: string;
  readonly headers: HeaderConditions | null;
}

/** Null = it looks at all that is given. */
export function ignoredPart(type: ExchangeType, { pattern, headers }: BoundBy): IgnoredPart | null {
  const isByHeaders = type === 'headers';
  if (!isByHeaders && headers !== null) return 'headers';
  if (pattern !== '' && (isByHeaders || type === 'fanout')) return 'pattern';
  return headers !== null && hasOnlyIgnoredConditions(headers) ? 'x-headers' : null;
}

/** What a binding takes of which no condition counts. */
export function takenWithout(headers: HeaderConditions | null): string {
  return headers !== null && isAny(headers) ? 'nothing' : 'everything';
}

/**
 * Says so when a binding asks for headers that its exchange does not look at: it takes something else than
 * what it was made for. A pattern goes without: clients of RabbitMQ give one to all types.
 *
 * @param exchange     what the warning calls it
 * @param destination  where the binding leads
 */
export function warnOfIgnored(
  { name, type }: { readonly name: string; readonly type: ExchangeType },
  destination: string,
  { headers }: Pick<BoundBy, 'headers'>,
): void {
  if (headers === null || headers.conditions.length === 0) return;
  const part = ignoredPart(type, { pattern: '', headers });
  if (part === null) return;
  const why =
    part === 'headers'
      ? `a ${type} exchange looks at no headers`
      : "names that begin with x- count with 'x-match': 'all-with-x' or 'any-with-x' alone, " +
        `so it takes ${takenWithout(headers)}`;
  const message = `the binding of ${destination} to exchange ${name}: ${why}`;
  process.emitWarning(message, { code: 'VARVE_BINDING' });
}
