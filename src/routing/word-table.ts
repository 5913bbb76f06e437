/**
 * The words of the patterns of one exchange, as small numbers.
 *
 * @hot A word of a key is looked up where it stands among the characters of the key: hashed and
 * compared, never cut out. Characters lie in arrays of numbers, which are compared three times faster
 * than two texts.
 */
import { EMPTY, ENTRY, IdTable } from './id-table.ts';

/** Of a word that no pattern has. */
export const UNKNOWN = EMPTY;

/** The hash of a word begins with it (FNV-1a, over characters). */
export const HASH_START = 0x811c_9dc5 | 0;

const FNV_PRIME = 0x0100_0193;
const CHARACTERS_MIN = 256;

/** The hash of a word that is one character longer. */
export function hashStep(hash: number, character: number): number {
  return Math.imul(hash ^ character, FNV_PRIME);
}

export function hashOf(word: string): number {
  let hash = HASH_START;
  for (let at = 0; at < word.length; at++) hash = hashStep(hash, word.charCodeAt(at));
  return hash;
}

export class WordTable {
  readonly #table = new IdTable();
  /** Characters of all words, one behind the other, also of such as are forgotten. */
  #characters = new Uint16Array(CHARACTERS_MIN);
  #charactersEnd = 0;
  #forgotten = 0;
  /** By id. */
  readonly #starts: number[] = [];
  readonly #lengths: number[] = [];
  readonly #uses: number[] = [];
  readonly #free: number[] = [];

  /** The id of the word `key[start, end)`, whose hash is known; `UNKNOWN` if no pattern has it. */
  find(key: Uint16Array, start: number, end: number, hash: number): number {
    const { entries, mask } = this.#table;
    for (let at = this.#table.home(hash); ; at = (at + ENTRY) & mask) {
      const id = entries[at] as number;
      if (id === EMPTY) return UNKNOWN;
      if (entries[at + 1] === hash && this.#isAt(id, key, start, end)) return id;
    }
  }

  /** The id of a word; `UNKNOWN` if no pattern has it. */
  idOf(word: string): number {
    return this.find(charactersOf(word), 0, word.length, hashOf(word));
  }

  /** The id of a word, one use of which begins. */
  use(word: string): number {
    const found = this.idOf(word);
    if (found !== UNKNOWN) {
      this.#uses[found] = (this.#uses[found] as number) + 1;
      return found;
    }
    const id = this.#free.pop() ?? this.#starts.length;
    this.#keep(id, charactersOf(word));
    this.#uses[id] = 1;
    this.#table.add(id, hashOf(word));
    return id;
  }

  /** One use of a word ends, and with the last one the word is forgotten. */
  release(id: number): void {
    const uses = (this.#uses[id] as number) - 1;
    this.#uses[id] = uses;
    if (uses > 0) return;
    const start = this.#starts[id] as number;
    const length = this.#lengths[id] as number;
    let hash = HASH_START;
    for (let at = start; at < start + length; at++) {
      hash = hashStep(hash, this.#characters[at] as number);
    }
    this.#table.remove(id, hash);
    this.#lengths[id] = 0;
    this.#forgotten += length;
    this.#free.push(id);
  }

  #isAt(id: number, key: Uint16Array, start: number, end: number): boolean {
    const length = this.#lengths[id] as number;
    if (length !== end - start) return false;
    const characters = this.#characters;
    const from = this.#starts[id] as number;
    for (let at = 0; at < length; at++) {
      if (characters[from + at] !== key[start + at]) return false;
    }
    return true;
  }

  #keep(id: number, word: Uint16Array): void {
    if (this.#charactersEnd + word.length > this.#characters.length) this.#makeRoom(word.length);
    this.#characters.set(word, this.#charactersEnd);
    this.#starts[id] = this.#charactersEnd;
    this.#lengths[id] = word.length;
    this.#charactersEnd += word.length;
  }

  /** Leaves out what is forgotten, and has as much room again as is in use then. */
  #makeRoom(length: number): void {
    const former = this.#characters;
    const inUse = this.#charactersEnd - this.#forgotten;
    this.#characters = new Uint16Array(Math.max(CHARACTERS_MIN, 2 * (inUse + length)));
    this.#charactersEnd = 0;
    this.#forgotten = 0;
    for (let id = 0; id < this.#starts.length; id++) {
      const start = this.#starts[id] as number;
      this.#keep(id, former.subarray(start, start + (this.#lengths[id] as number)));
    }
  }
}

function charactersOf(word: string): Uint16Array {
  const characters = new Uint16Array(word.length);
  for (let at = 0; at < word.length; at++) characters[at] = word.charCodeAt(at);
  return characters;
}
