/**
 * What entries and states consist of: one description of a field gives its type, its bytes, and the
 * check of what is read.
 *
 * Equal values have equal bytes, maps too, whatever the order in which they were filled: the hash of
 * a state is the hash of its bytes.
 */
import { assert, present } from '../core/assert.ts';
import { BadEntryError, EntryWriter, type EntryReader } from './entry-bytes.ts';

/** One kind of value. Methods, not properties: a list of fields holds fields of any type. */
export interface Field<T> {
  write(to: EntryWriter, value: T): void;
  /** @throws BadEntryError */
  read(from: EntryReader): T;
  /**
   * Copies a value that may be very large, at once, so that it may change while the copy is written.
   * Left out where `write` takes no time to speak of.
   */
  freeze?(value: T): Frozen;
}

/** Writes a copy, as `write` would have written the value, in steps that take no time to speak of. */
export type Frozen = (to: EntryWriter) => Iterable<void>;

/** A copy of a value: of its bytes, unless the field knows better. */
export function frozenOf<T>(field: Field<T>, value: T): Frozen {
  if (field.freeze !== undefined) return field.freeze(value);
  const scratch = new EntryWriter();
  field.write(scratch, value);
  const encoded = scratch.take();
  return (to) => {
    to.encoded(encoded);
    return [];
  };
}

/** Fields by name, in the order of their bytes. */
export type Fields = Readonly<Record<string, Field<unknown>>>;

export type ValueOf<F> = F extends Field<infer T> ? T : never;

export type StructOf<F extends Fields> = { -readonly [Name in keyof F]: ValueOf<F[Name]> };

/** A safe integer from 0 on. */
export const uint: Field<number> = {
  write: (to, value) => to.uint(value),
  read: (from) => from.uint(),
};

/** A finite number, whole or not. */
export const double: Field<number> = {
  write: (to, value) => to.double(value),
  read: (from) => from.double(),
};

export const text: Field<string> = {
  write: (to, value) => to.text(value),
  read: (from) => from.text(),
};

export const bytes: Field<Uint8Array> = {
  write: (to, value) => to.bytes(value),
  read: (from) => from.bytes(),
};

export const flag: Field<boolean> = {
  write: (to, value) => to.u8(value ? 1 : 0),
  read(from) {
    const byte = from.u8();
    if (byte > 1) throw new BadEntryError('a flag is neither 0 nor 1');
    return byte === 1;
  },
};

/** One of some names; stored by its place, so names may only be added at the end. */
export function choice<const C extends string>(choices: readonly C[]): Field<C> {
  return {
    write(to, value) {
      const at = choices.indexOf(value);
      assert(at >= 0, `one of ${choices.join(', ')}`);
      to.u8(at);
    },
    read(from) {
      const value = choices[from.u8()];
      if (value === undefined) throw new BadEntryError(`none of ${choices.join(', ')}`);
      return value;
    },
  };
}

/** The field, or null. */
export function nullable<T>(field: Field<T>): Field<T | null> {
  return {
    write(to, value) {
      flag.write(to, value !== null);
      if (value !== null) field.write(to, value);
    },
    read: (from) => (flag.read(from) ? field.read(from) : null),
  };
}

/** Any number of them, in order. */
export function list<T>(field: Field<T>): Field<T[]> {
  return {
    write(to, values) {
      to.uint(values.length);
      for (const value of values) field.write(to, value);
    },
    read(from) {
      const values: T[] = [];
      // Not an array of that length at once: the length is not to be believed before its values are.
      for (let left = from.uint(); left > 0; left--) values.push(field.read(from));
      return values;
    },
  };
}

/** Pairs in the order of the bytes of their keys. */
export function map<K, V>(key: Field<K>, value: Field<V>): Field<Map<K, V>> {
  const sorted = (pairs: Map<K, V>) => {
    const scratch = new EntryWriter();
    const keyed = [...pairs].map(([name, held]) => {
      key.write(scratch, name);
      return { encoded: Buffer.from(scratch.take()), held };
    });
    return keyed.toSorted((one, two) => Buffer.compare(one.encoded, two.encoded));
  };
  const freeze = (pairs: Map<K, V>): Frozen => {
    const copied = sorted(pairs).map(({ encoded, held }) => {
      return { encoded, frozen: frozenOf(value, held) };
    });
    return function* write(to) {
      to.uint(copied.length);
      for (const { encoded, frozen } of copied) {
        to.encoded(encoded);
        yield* frozen(to);
      }
    };
  };
  return {
    ...(value.freeze === undefined ? {} : { freeze }),
    write(to, pairs) {
      to.uint(pairs.size);
      for (const { encoded, held } of sorted(pairs)) {
        to.encoded(encoded);
        value.write(to, held);
      }
    },
    read(from) {
      const pairs = new Map<K, V>();
      const count = from.uint();
      for (let left = count; left > 0; left--) pairs.set(key.read(from), value.read(from));
      if (pairs.size !== count) throw new BadEntryError('a key stands twice in a map');
      return pairs;
    },
  };
}

/** What an earlier version wrote, read as the newest; nobody writes it any more. */
export function upgraded<Old, New>(field: Field<Old>, upgrade: (old: Old) => New): Field<New> {
  return {
    write: () => assert(false, 'the newest version is written'),
    read: (from) => upgrade(field.read(from)),
  };
}

/**
 * The last field of a state, or the last ones, which snapshots from before there were any end without:
 * states have no version, and nothing stands behind them.
 */
export function added<T>(field: Field<T>, before: T): Field<T> {
  return {
    write: (to, value) => field.write(to, value),
    read: (from) => (from.isAtEnd ? before : field.read(from)),
  };
}

/** An object with these fields. */
export function struct<F extends Fields>(fields: F): Field<StructOf<F>> {
  const members = Object.entries(fields).map(([name, field]) => ({ name, field }));
  const freeze = (value: StructOf<F>): Frozen => {
    const copied = members.map(({ name, field }) => frozenOf(field, value[name]));
    return function* write(to) {
      for (const frozen of copied) yield* frozen(to);
    };
  };
  return {
    ...(members.some(({ field }) => field.freeze !== undefined) ? { freeze } : {}),
    write(to, value) {
      for (let at = 0; at < members.length; at++) {
        const { name, field } = present(members[at], 'at < length');
        field.write(to, value[name]);
      }
    },
    read(from) {
      // Name by name: a list of pairs, and an object of it, took half of the time of a recovery.
      const value: Record<string, unknown> = {};
      for (const { name, field } of members) value[name] = field.read(from);
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- each field gave its own type
      return value as StructOf<F>;
    },
  };
}
