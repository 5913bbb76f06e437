/** Kinds of journal entries: their numbers, names, versions and fields. */
import { assert, present } from '../core/assert.ts';
import { BadEntryError, EntryReader, EntryWriter } from './entry-bytes.ts';
import { struct, type Field, type Fields, type StructOf } from './entry-fields.ts';

/** One kind of entry. Numbers stand on disk: none is ever used again. */
export interface EntryType<E> {
  readonly kind: number;
  readonly name: string;
  /** What is written. */
  readonly version: number;
  /** What each version looks like, version 1 first, each read as the newest. */
  readonly fields: readonly Field<E>[];
}

export interface EntryTypeSpec<F extends Fields> {
  /** 1..255 */
  readonly kind: number;
  readonly name: string;
  readonly fields: F;
}

/**
 * A kind of entry.
 *
 * @param earlier  what its versions before this one look like, the first one first
 */
export function entryType<F extends Fields>(
  { kind, name, fields }: EntryTypeSpec<F>,
  earlier: readonly Field<StructOf<F>>[] = [],
): EntryType<StructOf<F>> {
  return { kind, name, version: earlier.length + 1, fields: [...earlier, struct(fields)] };
}

/** An entry as it is read: `EntryRegistry.entryOf` gives it its type back. */
export interface ReadEntry {
  readonly type: EntryType<unknown>;
  readonly value: unknown;
}

/** The entry is of a kind, or a version, that a newer Varve wrote. */
export class NewerEntryError extends Error {
  readonly found: number;
  readonly supported: number;

  constructor(what: string, { found, supported }: Pick<NewerEntryError, 'found' | 'supported'>) {
    super(`${what} ${found} is not known to this version of Varve`);
    this.name = 'NewerEntryError';
    this.found = found;
    this.supported = supported;
  }
}

/** Everything that may stand in a journal. */
export class EntryRegistry {
  readonly #types = new Map<number, EntryType<unknown>>();
  readonly #writer = new EntryWriter();
  readonly #kindMax: number;

  constructor(types: readonly EntryType<unknown>[]) {
    for (const type of types) {
      assert(!this.#types.has(type.kind), `kind ${type.kind} is used once`);
      assert(type.kind > 0 && type.kind < 256, 'a kind is a byte');
      assert(type.fields.length === type.version, 'each version has its fields');
      this.#types.set(type.kind, type);
    }
    this.#kindMax = Math.max(0, ...this.#types.keys());
  }

  /** All kinds, by number. */
  get types(): readonly EntryType<unknown>[] {
    return [...this.#types.values()].toSorted((one, two) => one.kind - two.kind);
  }

  /** Kind, version, fields. */
  encode<E>(type: EntryType<E>, entry: E): Uint8Array {
    this.#write(type, entry);
    return this.#writer.take();
  }

  /** As `encode`, without a copy: good until the next entry is encoded. */
  encodeView<E>(type: EntryType<E>, entry: E): Uint8Array {
    this.#write(type, entry);
    return this.#writer.takeView();
  }

  #write<E>(type: EntryType<E>, entry: E): void {
    assert(this.#types.get(type.kind) === type, `${type.name} is registered`);
    const writer = this.#writer;
    writer.clear(); // An entry that could not be encoded must not begin the next one.
    writer.u8(type.kind);
    writer.u8(type.version);
    present(type.fields.at(-1), 'the newest version').write(writer, entry);
  }

  /** @throws BadEntryError; NewerEntryError, which is no damage and no reason to drop anything */
  decode(bytes: Uint8Array): ReadEntry {
    const reader = new EntryReader(bytes);
    const kind = reader.u8();
    const version = reader.u8();
    const type = this.#types.get(kind);
    if (type === undefined) {
      throw new NewerEntryError('the entry kind', { found: kind, supported: this.#kindMax });
    }
    if (version === 0) throw new BadEntryError('version 0');
    const fields = type.fields[version - 1];
    if (fields === undefined) {
      const supported = type.version;
      throw new NewerEntryError(`the version of ${type.name}`, { found: version, supported });
    }
    const value = fields.read(reader);
    reader.end();
    return { type, value };
  }
}

/** The value of an entry of this type; null when it is of another. */
export function entryOf<E>(type: EntryType<E>, entry: ReadEntry): E | null {
  if (entry.type !== type) return null;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the type itself has read it
  return entry.value as E;
}
