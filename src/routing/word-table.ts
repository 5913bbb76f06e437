/**
 * The words of the patterns of one exchange, as small numbers.
 *
 * @hot A word of a key is looked up where it stands in the key: hashed and compared, never cut out.
 */
import { EMPTY, ENTRY, IdTable } from './id-table.ts';

/** Of a word that no pattern has. */
export const UNKNOWN = EMPTY;

const FNV_OFFSET = 0x811c_9dc5 | 0;
const FNV_PRIME = 0x0100_0193;

/** One step of the hash of a word (FNV-1a over the characters), which begins with `HASH_START`. */
export function hashStep(hash: number, character: number): number {
  return Math.imul(hash ^ character, FNV_PRIME);
}

export const HASH_START = FNV_OFFSET;

export class WordTable {
  readonly #table = new IdTable();
  readonly #words: string[] = [];
  readonly #uses: number[] = [];
  readonly #free: number[] = [];

  /** The id of `key[start, end)`, whose hash is known; `UNKNOWN` if no pattern has it. */
  find(key: string, start: number, end: number, hash: number): number {
    const { entries, mask } = this.#table;
    for (let at = this.#table.home(hash); ; at = (at + ENTRY) & mask) {
      const id = entries[at] as number;
      if (id === EMPTY) return UNKNOWN;
      if (entries[at + 1] !== hash) continue;
      if (isAt(this.#words[id] as string, key, start, end)) return id;
    }
  }

  /** The id of a word; `UNKNOWN` if no pattern has it. */
  idOf(word: string): number {
    return this.find(word, 0, word.length, hashOf(word));
  }

  /** The id of a word, one use of which begins. */
  use(word: string): number {
    const hash = hashOf(word);
    const found = this.find(word, 0, word.length, hash);
    if (found !== UNKNOWN) {
      this.#uses[found] = (this.#uses[found] as number) + 1;
      return found;
    }
    const id = this.#free.pop() ?? this.#words.length;
    this.#words[id] = word;
    this.#uses[id] = 1;
    this.#table.add(id, hash);
    return id;
  }

  /** One use of a word ends, and with the last one the word is forgotten. */
  release(id: number): void {
    const uses = (this.#uses[id] as number) - 1;
    this.#uses[id] = uses;
    if (uses > 0) return;
    this.#table.remove(id, hashOf(this.#words[id] as string));
    this.#words[id] = '';
    this.#free.push(id);
  }
}

export function hashOf(word: string): number {
  let hash = HASH_START;
  for (let at = 0; at < word.length; at++) hash = hashStep(hash, word.charCodeAt(at));
  return hash;
}

function isAt(word: string, key: string, start: number, end: number): boolean {
  if (word.length !== end - start) return false;
  for (let at = 0; at < word.length; at++) {
    if (word.charCodeAt(at) !== key.charCodeAt(start + at)) return false;
  }
  return true;
}
