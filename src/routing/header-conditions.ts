/**
 * What a binding of a headers exchange asks of the headers of a record, by RabbitMQ's rules.
 *
 * `x-match` says how: `all` (default) or `any` of the conditions hold, which leave out names that
 * begin with `x-`, or `all-with-x`, `any-with-x`, which take those as well, but never `x-match`
 * itself. A condition without a value (null) asks for the header alone. No condition at all is met by
 * every record under `all`, and by none under `any`.
 *
 * Source: RabbitMQ, rabbit_exchange_type_headers.
 */
import { argumentError, checkChoice } from '../core/assert.ts';
import { TooLargeError } from '../core/errors.ts';
import { HEADER_NAME_BYTES_MAX, HEADERS_BYTES_MAX } from '../core/limits.ts';
import { isPlainObject } from '../core/options.ts';

export const HEADER_MATCHES = ['all', 'any', 'all-with-x', 'any-with-x'] as const;

export type HeaderMatch = (typeof HEADER_MATCHES)[number];

export interface HeaderCondition {
  readonly name: string;
  /** The header has these bytes; null = it is there. */
  readonly value: Uint8Array | null;
}

/** Conditions by ascending name, each name once, also those that count for nothing. */
export interface HeaderConditions {
  readonly match: HeaderMatch;
  readonly conditions: readonly HeaderCondition[];
}

/** As a program gives them: text is compared as its UTF-8, null asks whether the header is there. */
export type HeaderConditionsInput = Readonly<Record<string, string | Uint8Array | null>>;

const MATCH_NAME = 'x-match';
const OFTEN_IGNORED = 'x-';
const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * Checks conditions, and copies them.
 *
 * @param name  what the caller calls them
 * @throws TypeError (`ERR_VARVE_INVALID_ARGUMENT`) for what is no plain object, an unknown `x-match`,
 *   and values of another kind; RangeError for a name with half a surrogate pair, which no stored
 *   header has; TooLargeError (`ERR_VARVE_TOO_LARGE`) for what no record could have: names above 255
 *   bytes, more than 64 KiB in all
 */
export function checkHeaderConditions(
  name: string,
  input: HeaderConditionsInput,
): HeaderConditions {
  if (!isPlainObject(input)) {
    throw argumentError(TypeError, name, 'a plain object of names and values', input);
  }
  const conditions: HeaderCondition[] = [];
  let match: HeaderMatch = 'all';
  let bytes = 0;
  for (const [header, value] of Object.entries(input)) {
    if (header === MATCH_NAME) {
      match = checkChoice(`${name}['${MATCH_NAME}']`, value, HEADER_MATCHES);
      continue;
    }
    const condition = { name: header, value: bytesOf(`${name}['${header}']`, value) };
    bytes += checkHeaderName(name, header) + (condition.value?.length ?? 0);
    conditions.push(condition);
  }
  if (bytes > HEADERS_BYTES_MAX) {
    throw new TooLargeError({ what: 'header conditions', bytes, bytesMax: HEADERS_BYTES_MAX });
  }
  conditions.sort((a, b) => (a.name < b.name ? -1 : 1));
  return { match, conditions };
}

/** The conditions that count. */
export function effectiveConditions({
  match,
  conditions,
}: HeaderConditions): readonly HeaderCondition[] {
  if (match === 'all-with-x' || match === 'any-with-x') return conditions;
  return conditions.filter(({ name }) => !name.startsWith(OFTEN_IGNORED));
}

/** Whether one condition that is met is enough. */
export function isAny({ match }: HeaderConditions): boolean {
  return match === 'any' || match === 'any-with-x';
}

/**
 * Whether there are conditions and none of them counts: such a binding takes everything (`all`) or
 * nothing (`any`), which is hardly what it was made for. Say so.
 */
export function hasOnlyIgnoredConditions(headers: HeaderConditions): boolean {
  return headers.conditions.length > 0 && effectiveConditions(headers).length === 0;
}

/** Equal texts for equal conditions, and for no others. */
export function textOfConditions({ match, conditions }: HeaderConditions): string {
  return JSON.stringify([
    match,
    ...conditions.map(({ name, value }) => [name, value === null ? null : latin1Of(value)]),
  ]);
}

/** Each byte as a character: what bytes can be looked up by. */
export function latin1Of(value: Uint8Array): string {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('latin1');
}

function bytesOf(name: string, value: unknown): Uint8Array | null {
  if (value === null) return null;
  if (typeof value === 'string') return new Uint8Array(Buffer.from(value, 'utf8'));
  if (value instanceof Uint8Array) return new Uint8Array(value);
  throw argumentError(TypeError, name, 'a string, a Uint8Array or null', value);
}

/** @returns its bytes */
function checkHeaderName(name: string, header: string): number {
  if (LONE_SURROGATE.test(header)) {
    throw argumentError(RangeError, name, 'with names without lone surrogates', header);
  }
  const bytes = Buffer.byteLength(header, 'utf8');
  if (bytes <= HEADER_NAME_BYTES_MAX) return bytes;
  throw new TooLargeError({ what: 'header name', bytes, bytesMax: HEADER_NAME_BYTES_MAX });
}
