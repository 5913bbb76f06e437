/**
 * Routing keys and patterns: text of words with dots between them. What a key may be at all is in
 * `routing-header.ts`.
 *
 * RabbitMQ's rules. Words may be empty: `a..b` has three, `.` has two; a key without a character has
 * none. In the pattern of a topic exchange the word `*` stands for one word, and the word `#` for any
 * number of them, also none. Within a longer word they are characters like all others.
 */
import { argumentError } from '../core/assert.ts';
import { ROUTING_KEY_BYTES_MAX, ROUTING_KEYS_MAX } from '../core/limits.ts';
import { BadPatternError } from '../core/routing-errors.ts';
import { checkRoutingKey } from '../format/routing-header.ts';

const LONE_SURROGATE = /\p{Surrogate}/u;
const WORD_END = '.';

/**
 * Throws unless `keys` are further routing keys of a record: at most 64, of 0 to 255 bytes each. The
 * same may come again. RabbitMQ knows no limits here, and ignores what is no text.
 *
 * @param name  what the caller calls them
 * @returns an array of its own
 * @throws TypeError, RangeError (`ERR_VARVE_INVALID_ARGUMENT`); TooLargeError (`ERR_VARVE_TOO_LARGE`)
 */
export function checkRoutingKeys(name: string, keys: unknown): readonly string[] {
  if (!Array.isArray(keys)) throw argumentError(TypeError, name, 'an array', keys);
  if (keys.length > ROUTING_KEYS_MAX) {
    throw argumentError(RangeError, name, `at most ${ROUTING_KEYS_MAX} routing keys`, keys);
  }
  return Array.from(keys, (key: unknown, at) => checkRoutingKey(`${name}[${at}]`, key));
}

/**
 * Throws unless `pattern` is the pattern of a binding: 0 to 255 bytes of UTF-8. There is no other
 * wrong pattern: `a*` is a word of two characters.
 *
 * @param name  what the caller calls it
 * @throws TypeError (`ERR_VARVE_INVALID_ARGUMENT`); BadPatternError (`ERR_VARVE_BAD_PATTERN`) with the
 *   column of the first character that cannot be
 */
export function checkPattern(name: string, pattern: unknown): string {
  if (typeof pattern !== 'string') throw argumentError(TypeError, name, 'a string', pattern);
  let column = 1;
  let bytes = 0;
  for (const character of pattern) {
    if (LONE_SURROGATE.test(character)) {
      throw new BadPatternError({ name, pattern, column, reason: 'a lone surrogate' });
    }
    bytes += Buffer.byteLength(character, 'utf8');
    if (bytes > ROUTING_KEY_BYTES_MAX) {
      const reason = `more than ${ROUTING_KEY_BYTES_MAX} bytes`;
      throw new BadPatternError({ name, pattern, column, reason });
    }
    column++;
  }
  return pattern;
}

/** The words of a key or a pattern, in order. */
export function wordsOf(key: string): string[] {
  return key === '' ? [] : key.split(WORD_END);
}
