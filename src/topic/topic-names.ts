/** Names of topics, and of the directories that they live in. */
import { argumentError } from '../core/assert.ts';

/** The source log of an exchange is the one partition of the topic with this in front of its name. */
export const SOURCE_PREFIX = 'exchange:';

/** Longest name, bytes of UTF-8. */
export const NAME_BYTES_MAX = 255;
/** Of a directory's name; with the log id it stays below the 255 bytes of file systems. */
const ENCODED_CHARS_MAX = 200;
const LOG_ID_DIGITS = 14;

// oxlint-disable-next-line no-control-regex -- control characters are what it is about
const CONTROL = /[\u0000-\u001f\u007f]/u;
const LONE_SURROGATE = /\p{Surrogate}/u;
const PLAIN = /^[A-Za-z0-9_-]$/u;

/**
 * Throws unless `name` may name a topic, a queue or a group, or with `bytesMax` something else: 1 to 255
 * bytes of UTF-8 without control characters.
 */
export function checkName(
  parameter: string,
  name: unknown,
  bytesMax: number = NAME_BYTES_MAX,
): string {
  if (typeof name !== 'string') throw argumentError(TypeError, parameter, 'a string', name);
  const sizeBytes = Buffer.byteLength(name, 'utf8');
  if (sizeBytes === 0 || sizeBytes > bytesMax) {
    throw argumentError(RangeError, parameter, `of 1 to ${bytesMax} bytes`, name);
  }
  if (CONTROL.test(name) || LONE_SURROGATE.test(name)) {
    throw argumentError(RangeError, parameter, 'text without control characters', name);
  }
  return name;
}

/** The exchange whose source log a topic of this name is; null = it is a topic like others. */
export function exchangeOfSource(name: string): string | null {
  return name.startsWith(SOURCE_PREFIX) ? name.slice(SOURCE_PREFIX.length) : null;
}

/** Whether users may append to something of this name: it can be one, and not that of a source. */
export function isTopicName(name: string): boolean {
  return isName(name) && exchangeOfSource(name) === null;
}

function isName(name: string): boolean {
  try {
    return checkName('name', name) === name;
  } catch {
    return false;
  }
}

/**
 * A directory for a topic: its name, as far as it fits, for people, and the log id, which makes it
 * the only one, also where file systems take `A` for `a`, and when a topic was deleted and made again.
 */
export function topicDirectoryName(name: string, topicId: number): string {
  const encoded = [...Buffer.from(name, 'utf8')].map(encodeByte);
  let readable = '';
  for (const part of encoded) {
    if (readable.length + part.length > ENCODED_CHARS_MAX) break;
    readable += part;
  }
  return `${readable}-${topicId.toString(16).padStart(LOG_ID_DIGITS, '0')}`;
}

/** The id in a directory's name; null when the name is none of ours. */
export function topicIdOf(directoryName: string): number | null {
  const digits = /-([0-9a-f]{14})$/u.exec(directoryName)?.[1];
  if (digits === undefined) return null;
  const id = Number.parseInt(digits, 16);
  return Number.isSafeInteger(id) && id > 0 ? id : null;
}

/** The name in a directory's name; null when it was too long for it, or is none of ours. */
export function topicNameOf(directoryName: string): string | null {
  if (topicIdOf(directoryName) === null) return null;
  const encoded = directoryName.slice(0, -LOG_ID_DIGITS - 1);
  if (encoded.length > ENCODED_CHARS_MAX - '%XX'.length) return null; // It may have gone on.
  try {
    return checkName('name', decodeURIComponent(encoded));
  } catch {
    return null; // Not written by us.
  }
}

/** Letters, digits, `_` and `-` as they are, everything else as `%XX`, a dot too: no `..`. */
function encodeByte(byte: number): string {
  const char = String.fromCharCode(byte);
  return PLAIN.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
}
