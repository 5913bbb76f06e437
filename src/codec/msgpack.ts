/**
 * MessagePack through `msgpackr`, fenced on both sides: what goes in is checked to have exactly
 * one faithful form, what comes out is scanned before it is decoded (see `msgpack-scan.ts`).
 */
import { Packr, Unpackr } from 'msgpackr';
import { codecError, hasLoneSurrogate } from './codec.ts';
import type { Codec } from './codec.ts';
import { MSGPACK_DEPTH_MAX, MSGPACK_VALUES_MAX, scanMessagePack } from './msgpack-scan.ts';

const INT64_MIN = -(2n ** 63n);
const UINT64_MAX = 2n ** 64n - 1n;

/**
 * Records stay off: a record's keys would live in a table that the bytes do not carry. No types
 * beyond MessagePack, no back references, no `toJSON`, and no number formats that round.
 */
const packr = new Packr({
  useRecords: false,
  structuredClone: false,
  moreTypes: false,
  useToJSON: false,
  useBigIntExtension: false,
  largeBigIntToFloat: false,
  variableMapSize: true,
});

/** 64-bit integers come back as bigint, which is what `encode` writes them from. */
const unpackr = new Unpackr({
  useRecords: false,
  structuredClone: false,
  mapsAsObjects: true,
  int64AsType: 'bigint',
  copyBuffers: true,
});

/**
 * MessagePack: smaller and faster than JSON, and it keeps dates, bytes and big integers.
 *
 * Takes `null`, `undefined` (inside containers), booleans, numbers, bigint of 64 bits, strings,
 * `Uint8Array`, valid `Date`, arrays and plain objects, nested at most 64 deep, at most 1,048,576
 * values. Everything else (Map, Set, class instances, functions, symbols, other typed arrays, a
 * key named `__proto__`) throws instead of being changed on the way. A bigint comes back as a
 * bigint and a number as a number; -0 comes back as 0, as in JSON; symbol keys are not written.
 *
 * `T` is the caller's word: nothing checks it. Wrap it in `schema` to have it checked.
 *
 * @throws CodecError (`ERR_VARVE_CODEC`) on encode as above; on decode for anything that `encode`
 * does not write: other extensions, keys that are not strings, more depth, bytes after the value
 */
export function msgpack<T = unknown>(): Codec<T> {
  return {
    id: 'msgpack',
    encode: encodeMessagePack,
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- bytes have no type: see `T`
    decode: (stored) => decodeMessagePack(stored) as T,
  };
}

function encodeMessagePack(value: unknown): Uint8Array {
  if (value === undefined) throw codecError('msgpack', 'undefined is not a value');
  const budget = { valuesLeft: MSGPACK_VALUES_MAX };
  checkEncodable(value, 0, budget);
  try {
    return packr.pack(value);
  } catch (cause) {
    throw codecError('msgpack', 'the value could not be encoded', cause);
  }
}

function decodeMessagePack(stored: Uint8Array): unknown {
  try {
    scanMessagePack(stored);
    // A plain view: msgpackr hangs a property on its source and slices by the source's class.
    return unpackr.unpack(new Uint8Array(stored.buffer, stored.byteOffset, stored.length));
  } catch (cause) {
    throw codecError('msgpack', `${stored.length} bytes could not be decoded`, cause);
  }
}

interface Budget {
  valuesLeft: number;
}

/** Throws unless `value` comes back from MessagePack as it went in. A cycle ends at the depth. */
function checkEncodable(value: unknown, depth: number, budget: Budget): void {
  if (--budget.valuesLeft < 0) {
    throw codecError('msgpack', `the value holds more than ${MSGPACK_VALUES_MAX} values`);
  }
  switch (typeof value) {
    case 'undefined':
    case 'boolean':
    case 'number':
      return;
    case 'string':
      return checkText(value);
    case 'bigint':
      if (value >= INT64_MIN && value <= UINT64_MAX) return;
      throw codecError('msgpack', 'a bigint does not fit 64 bits');
    case 'object':
      if (value !== null) checkContainer(value, depth, budget);
      return;
    case 'function':
    case 'symbol':
      throw codecError('msgpack', `a ${typeof value} has no MessagePack form`);
  }
}

function checkContainer(value: object, depth: number, budget: Budget): void {
  if (value instanceof Uint8Array) return;
  if (value instanceof Date) return checkDate(value);
  if (depth >= MSGPACK_DEPTH_MAX) {
    throw codecError('msgpack', `the value nests more than ${MSGPACK_DEPTH_MAX} levels`);
  }
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++)
      checkEncodable(value[index], depth + 1, budget);
    return;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    throw codecError(
      'msgpack',
      'only plain objects, arrays, Date and Uint8Array have a faithful form',
    );
  }
  for (const [key, item] of Object.entries(value)) {
    checkText(key);
    if (key === '__proto__') throw codecError('msgpack', 'a key named __proto__ is refused');
    checkEncodable(item, depth + 1, budget);
  }
}

function checkDate(date: Date): void {
  if (Number.isNaN(date.getTime())) throw codecError('msgpack', 'an invalid Date has no form');
}

function checkText(text: string): void {
  if (hasLoneSurrogate(text)) throw codecError('msgpack', 'a string has a lone surrogate');
}
