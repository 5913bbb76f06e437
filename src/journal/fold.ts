/**
 * State as a fold over journal entries: the same code applies an entry live and at recovery.
 *
 * State is kept in instances, each of one reducer and with an id (a topic, a group), because a
 * snapshot is taken instance by instance while entries go on: each says from which entry on it
 * has to be folded further.
 */
import { assert, present } from '../core/assert.ts';
import { Sha256 } from '../core/hash.ts';
import { BadEntryError, EntryReader, EntryWriter } from './entry-bytes.ts';
import { frozenOf, type Field } from './entry-fields.ts';
import { entryOf, type EntryType, type ReadEntry } from './entry-type.ts';

/** How one kind of state begins, changes and ends. Without clock, chance or any other effect. */
export interface Reducer<S> {
  /** Stands in snapshots: never changed, never used again. */
  readonly name: string;
  /** All of the state: what a snapshot holds, and what the hash covers. */
  readonly state: Field<S>;
  readonly rules: readonly Rule<S>[];
}

/** What one kind of entry does to one kind of state. */
export interface Rule<S> {
  readonly type: EntryType<unknown>;
  /** Whether the instance must be there before, must not, or may. */
  readonly needs: 'instance' | 'none' | 'any';
  /** Ids of the instances that the entry is for. */
  ids(entry: ReadEntry): readonly string[];
  /**
   * @param at  which of `ids` it is for
   * @returns the state after the entry, the same object or another; null = the instance ends
   */
  apply(state: S | null, entry: ReadEntry, at: number): S | null;
}

export interface RuleSpec<S, E> {
  readonly id: (entry: E) => string | readonly string[];
  readonly apply: (state: S, entry: E) => S | null;
}

/** A rule for entries about an instance that is there. */
export function changes<S, E>(type: EntryType<E>, { id, apply }: RuleSpec<S, E>): Rule<S> {
  return {
    type,
    needs: 'instance',
    ids: (entry) => idsOf(type, entry, id),
    apply: (state, entry) => apply(present(state, 'the fold has it'), valueOf(type, entry)),
  };
}

/** A rule for entries that end an instance. */
export function ends<S, E>(type: EntryType<E>, { id }: Pick<RuleSpec<S, E>, 'id'>): Rule<S> {
  return { type, needs: 'instance', ids: (entry) => idsOf(type, entry, id), apply: () => null };
}

export interface BeginSpec<S, E> {
  readonly id: (entry: E) => string;
  readonly begin: (entry: E) => S;
}

/** A rule for entries that begin an instance. */
export function begins<S, E>(type: EntryType<E>, { id, begin }: BeginSpec<S, E>): Rule<S> {
  return {
    type,
    needs: 'none',
    ids: (entry) => idsOf(type, entry, id),
    apply: (_state, entry) => begin(valueOf(type, entry)),
  };
}

export interface SetSpec<S, E> {
  readonly id: (entry: E) => string | readonly string[];
  /** For one of the ids at a time: the one at `at`. */
  readonly set: (state: S | null, entry: E, at: number) => S | null;
}

/** A rule for entries about an instance that may be there or not. */
export function sets<S, E>(type: EntryType<E>, { id, set }: SetSpec<S, E>): Rule<S> {
  return {
    type,
    needs: 'any',
    ids: (entry) => idsOf(type, entry, id),
    apply: (state, entry, at) => set(state, valueOf(type, entry), at),
  };
}

/** A rule for entries after which there is no instance, whether or not there was one. */
export function forgets<S, E>(type: EntryType<E>, { id }: Pick<RuleSpec<S, E>, 'id'>): Rule<S> {
  return { type, needs: 'any', ids: (entry) => idsOf(type, entry, id), apply: () => null };
}

/** An instance as a snapshot has it: entries from `from` on are not in it. */
export interface PartName {
  readonly reducer: string;
  readonly id: string;
  readonly from: number;
}

/** A state of which a snapshot holds a copy. */
export interface StatePart extends PartName {
  readonly state: Uint8Array;
}

/** A copy of a state, on its way into a snapshot. */
export interface StateCopy extends PartName {
  /** Its bytes, one behind the other, made as they are asked for: what changes meanwhile is not in them. */
  readonly pieces: Iterator<Uint8Array, Uint8Array, void>;
}

interface Instance {
  state: unknown;
  /** First entry that is not in it. */
  from: number;
}

type Instances = Map<string, Instance>;

/** An instance, for those who look at it very often. */
export interface StateView<S> {
  /** Null when there is none. For reading: only entries change it. */
  readonly state: S | null;
}

const NO_RULES: readonly RuleOf[] = [];

/** A rule, and what it changes. */
interface RuleOf {
  readonly reducer: string;
  readonly rule: Rule<unknown>;
  readonly instances: Instances;
}

/** An entry, and where it stands in the journal. */
interface PlacedEntry {
  readonly entry: ReadEntry;
  readonly offset: number;
}

export class Fold {
  readonly #reducers: readonly Reducer<unknown>[];
  readonly #instances = new Map<string, Instances>();
  readonly #rules = new Map<EntryType<unknown>, RuleOf[]>();
  readonly #writer = new EntryWriter();
  /** How often instances began, ended or were replaced. */
  #turnover = 0;
  /** Entries below may be about an instance that ended while the snapshot was taken. */
  #toleratedTo = 0;

  constructor(reducers: readonly Reducer<unknown>[]) {
    this.#reducers = reducers.toSorted((one, two) => (one.name < two.name ? -1 : 1));
    for (const { name, rules } of reducers) {
      assert(!this.#instances.has(name), `${name} is the name of one reducer`);
      this.#instances.set(name, new Map());
      for (const rule of rules) this.#addRule(name, rule);
    }
  }

  /** The state of an instance; null when there is none. For reading: only entries change it. */
  get<S>(reducer: Reducer<S>, id: string): S | null {
    const instance = this.#of(reducer.name).get(id);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- its own reducer has made it
    return instance === undefined ? null : (instance.state as S);
  }

  /** As `get`, without a look-up each time. */
  view<S>(reducer: Reducer<S>, id: string): StateView<S> {
    const instances = this.#of(reducer.name);
    const turnover = () => this.#turnover;
    let known: Instance | null = null;
    let knownAt = -1;
    return {
      get state() {
        if (knownAt !== turnover()) {
          known = instances.get(id) ?? null;
          knownAt = turnover();
        }
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- its own reducer has made it
        return known === null ? null : (known.state as S);
      },
    };
  }

  /** Ids of all instances of a reducer, in the order in which they began. */
  ids(reducer: Reducer<unknown>): readonly string[] {
    return [...this.#of(reducer.name).keys()];
  }

  /**
   * Applies the entry at `offset` of the journal. Entries must come in order.
   *
   * An instance for which it does not fit stays as it is: so live and at every recovery, instance by
   * instance, because a fold that began at a snapshot knows each as of another moment.
   *
   * @returns why it did not fit: its first instance that is not there, or is there already; null
   */
  apply(entry: ReadEntry, offset: number): string | null {
    let misfit: string | null = null;
    const placed = { entry, offset };
    for (const ruled of this.#rules.get(entry.type) ?? NO_RULES) {
      const ids = ruled.rule.ids(entry);
      for (let at = 0; at < ids.length; at++) {
        const id = present(ids[at], 'at < length');
        const problem = this.#applyTo(ruled, id, at, placed);
        if (problem !== null) misfit ??= `${ruled.reducer} ${id} ${problem}`;
      }
    }
    return misfit;
  }

  /** Puts another state in the place of an instance: a repair knows better than the entries left. */
  replace<S>(reducer: Reducer<S>, { id, from }: Pick<PartName, 'id' | 'from'>, state: S): void {
    this.#turnover++;
    this.#of(reducer.name).set(id, { state, from });
  }

  /** Forgets everything: a snapshot could not be read to its end. */
  clear(): void {
    this.#turnover++;
    for (const instances of this.#instances.values()) instances.clear();
    this.#toleratedTo = 0;
  }

  /** Copies of all instances, one after the other: each is as of the moment when it is taken. */
  *copies(appliedTo: () => number): Generator<StateCopy, void, void> {
    for (const { name, state } of this.#reducers) {
      for (const [id, instance] of this.#of(name)) {
        const pieces = piecesOf(state, instance.state);
        yield { reducer: name, id, from: appliedTo(), pieces };
      }
    }
  }

  /**
   * Puts an instance of a snapshot in place.
   *
   * @param toleratedTo  offset of the end of the snapshot: what ended meanwhile has no part
   * @throws BadEntryError when the part is not what its reducer writes
   */
  restore({ reducer, id, from, state }: StatePart, toleratedTo: number): void {
    const type = this.#reducers.find(({ name }) => name === reducer);
    if (type === undefined) throw new BadEntryError(`a part of an unknown reducer: ${reducer}`);
    const reader = new EntryReader(state);
    const value = type.state.read(reader);
    reader.end();
    this.#turnover++;
    this.#of(reducer).set(id, { state: value, from });
    this.#toleratedTo = Math.max(this.#toleratedTo, toleratedTo);
  }

  /** SHA-256 over all instances, hexadecimal: equal folds have equal hashes. */
  hash(): string {
    const hash = new Sha256();
    for (const { name } of this.#reducers) {
      for (const id of [...this.#of(name).keys()].toSorted()) {
        this.#writer.clear(); // A state that could not be encoded may have left something.
        this.#writer.text(name);
        this.#writer.text(id);
        hash.add(this.#writer.take());
        hash.add(this.#encode(name, id));
      }
    }
    return hash.digest();
  }

  #addRule(reducer: string, rule: Rule<unknown>): void {
    const rules = this.#rules.get(rule.type) ?? [];
    rules.push({ reducer, rule, instances: this.#of(reducer) });
    this.#rules.set(rule.type, rules);
  }

  /** @param at  which of the rule's ids it is for @returns why it does not fit */
  #applyTo(
    { rule, instances }: RuleOf,
    id: string,
    at: number,
    { entry, offset }: PlacedEntry,
  ): string | null {
    const instance = instances.get(id) ?? null;
    if (instance !== null && offset < instance.from) return null; // Its snapshot was taken later.
    const wanted = instance === null ? 'none' : 'instance';
    if (rule.needs !== 'any' && rule.needs !== wanted) {
      if (offset < this.#toleratedTo) return null;
      return instance === null ? 'is not there' : 'is there already';
    }
    const state = rule.apply(instance?.state ?? null, entry, at);
    if (instance !== null && state !== null) {
      instance.state = state;
      return null;
    }
    this.#turnover++;
    if (state === null) instances.delete(id);
    else instances.set(id, { state, from: offset }); // More of the same commit may follow.
    return null;
  }

  #encode(reducer: string, id: string): Uint8Array {
    const type = present(
      this.#reducers.find(({ name }) => name === reducer),
      'a reducer',
    );
    const instance = present(this.#of(reducer).get(id), 'an instance');
    this.#writer.clear();
    type.state.write(this.#writer, instance.state);
    return this.#writer.take();
  }

  #of(reducer: string): Instances {
    return present(this.#instances.get(reducer), 'the reducer is registered');
  }
}

/** Of a copy that is made now. */
function piecesOf<S>(field: Field<S>, state: S): StateCopy['pieces'] {
  const frozen = frozenOf(field, state);
  const writer = new EntryWriter();
  const encode = function* encode(): Generator<Uint8Array, Uint8Array, void> {
    const steps = frozen(writer)[Symbol.iterator]();
    while (steps.next().done !== true) yield writer.take();
    return writer.take();
  };
  return encode();
}

function idsOf<E>(
  type: EntryType<E>,
  entry: ReadEntry,
  id: (entry: E) => string | readonly string[],
): readonly string[] {
  const ids = id(valueOf(type, entry));
  return typeof ids === 'string' ? [ids] : ids;
}

function valueOf<E>(type: EntryType<E>, entry: ReadEntry): E {
  return present(entryOf(type, entry), 'the rule is for this type');
}
