/**
 * How a value becomes the bytes of a record and back: the contract, and the three codecs that
 * need nothing but the platform. `msgpack` and `schema` have files of their own.
 *
 * All codecs here are lossless or loud: what `decode` returns equals what `encode` was given, or
 * one of the two throws `CodecError`. The one exception is named where it stands (`json`).
 */
import { KIB } from '../core/limits.ts';
import { argumentError } from '../core/assert.ts';
import { CodecError } from '../core/errors.ts';

/**
 * Turns values into bytes and back.
 *
 * @typeParam T      what `decode` returns and, unless `Input` says otherwise, what `encode` takes
 * @typeParam Input  what `encode` takes, when that is more than `T` (a schema with defaults)
 *
 * Promises a codec must keep: `encode` returns whole, finished bytes (the log copies them before
 * the append returns, so returning `value` itself is fine); `decode` copies what it keeps, because
 * `bytes` may be a view of memory that the log shares or reuses; both are synchronous, and neither
 * puts payload bytes into the message of an error.
 *
 * Both are properties, not methods, so that TypeScript compares what they take strictly: the type
 * of a log opened with a schema is the schema's output, never its looser input.
 */
export interface Codec<T, Input = T> {
  /** Names the form of the bytes, such as `json`: for messages and for people, not on disk. */
  readonly id: string;
  /** @throws CodecError (`ERR_VARVE_CODEC`) when the value has no lossless form */
  readonly encode: (value: Input) => Uint8Array;
  /** @throws CodecError (`ERR_VARVE_CODEC`) when the bytes are not what `encode` writes */
  readonly decode: (bytes: Uint8Array) => T;
}

/** @throws TypeError for what is none, such as a function that makes one */
export function checkCodec<T, Input>(codec: Codec<T, Input>): Codec<T, Input> {
  const { encode, decode } = codec ?? {};
  if (typeof encode === 'function' && typeof decode === 'function') return codec;
  throw argumentError(
    TypeError,
    'codec',
    'a codec: bytes, utf8, json(), msgpack() or yours',
    codec,
  );
}

/** Bytes as they are. `decode` returns a copy, so the caller may change and keep it. */
export const bytes: Codec<Uint8Array> = {
  id: 'bytes',
  encode(value) {
    if (value instanceof Uint8Array) return value;
    throw argumentError(TypeError, 'value', 'a Uint8Array', value);
  },
  decode: copyOf,
};

/** `bytes` for who gave none: `T` is Uint8Array then, as the signatures of those who call this say. */
export function codecOr<T, Input>(codec: Codec<T, Input> | undefined): Codec<T, Input> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above
  return codec ?? (bytes as unknown as Codec<T, Input>);
}

/** Small copies share the memory of so much: an `ArrayBuffer` of their own costs three times the rest. */
const SLAB_BYTES = 8 * KIB;
/** Larger ones have their own. */
const SHARED_BYTES_MAX = 1 * KIB;

let slab = new ArrayBuffer(0);
let slabEnd = 0;

function copyOf(stored: Uint8Array): Uint8Array {
  const { length } = stored;
  // Not `slice()`: of a Buffer that is a view.
  if (length > SHARED_BYTES_MAX) return new Uint8Array(stored);
  if (slabEnd + length > slab.byteLength) {
    slab = new ArrayBuffer(SLAB_BYTES);
    slabEnd = 0;
  }
  const copy = new Uint8Array(slab, slabEnd, length);
  copy.set(stored);
  slabEnd += length;
  return copy;
}

/**
 * Strings as UTF-8.
 *
 * Lossless both ways, so it refuses what UTF-8 cannot say: a string with a lone surrogate, and
 * bytes that are not UTF-8 (a lenient decoder would put U+FFFD there and hide the damage). A byte
 * order mark is data and stays. For text of unknown encoding use `bytes`.
 */
export const utf8: Codec<string> = {
  id: 'utf8',
  encode(value) {
    if (typeof value !== 'string') throw argumentError(TypeError, 'value', 'a string', value);
    if (hasLoneSurrogate(value)) {
      throw codecError('utf8', 'the string has a lone surrogate, which UTF-8 cannot represent');
    }
    return encoder.encode(value);
  },
  decode: (stored) => decodeText('utf8', stored),
};

/**
 * JSON, with the semantics of `JSON.stringify` and `JSON.parse`, and so its losses: a `Date`
 * becomes a string, `undefined` properties vanish, `NaN` becomes `null`. Use `msgpack` for dates,
 * bytes and big integers.
 *
 * `T` is the caller's word: nothing checks it. Wrap it in `schema` to have it checked.
 *
 * @throws CodecError (`ERR_VARVE_CODEC`) on encode for what has no JSON text at all (`undefined`,
 * a function, a cycle, a bigint); on decode for bytes that are not UTF-8 or not JSON
 */
export function json<T = unknown>(): Codec<T> {
  return {
    id: 'json',
    encode: encodeJson,
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- bytes have no type: see `T`
    decode: (stored) => decodeJson(stored) as T,
  };
}

function encodeJson(value: unknown): Uint8Array {
  let text: string | undefined;
  try {
    // The library types promise a string; for `undefined`, functions and symbols it is not one.
    text = JSON.stringify(value) as string | undefined;
  } catch (cause) {
    throw codecError('json', 'the value has no JSON form', cause);
  }
  if (text === undefined)
    throw codecError('json', `a value of type ${typeof value} has no JSON form`);
  return encoder.encode(text); // Well-formed: stringify escapes lone surrogates.
}

function decodeJson(stored: Uint8Array): unknown {
  const text = decodeText('json', stored);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw codecError('json', `${stored.length} bytes are not JSON`, cause);
  }
}

const encoder = new TextEncoder();
/** `ignoreBOM` means: do not strip it. */
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Whether UTF-8 cannot carry `text` unchanged. */
export function hasLoneSurrogate(text: string): boolean {
  return LONE_SURROGATE.test(text);
}

function decodeText(codec: string, stored: Uint8Array): string {
  try {
    return decoder.decode(stored);
  } catch (cause) {
    throw codecError(codec, `${stored.length} bytes are not UTF-8`, cause);
  }
}

/** Builds the error of the codec named `codec`; the log adds the offset. */
export function codecError(codec: string, message: string, cause?: unknown): CodecError {
  const options = cause === undefined ? undefined : { cause };
  return new CodecError(`${codec}: ${message}`, { codec, offset: null }, options);
}
