/**
 * The patterns of one exchange as a trie: a node per word, 32 bytes each.
 *
 * @hot Nodes are rows of numbers; the children of a node by word are in one hash for all nodes.
 */
import { END } from './binding-lists.ts';
import { EMPTY, ENTRY, IdTable } from './id-table.ts';
import { wordsOf } from './routing-key.ts';
import { WordTable } from './word-table.ts';

/** Words of a row, and its size as a shift. */
export const Node = {
  SHIFT: 3,
  PARENT: 0,
  /** Id of the word that leads here, or `STAR` or `HASH`. */
  WORD: 1,
  /** Child for `*`, or `NONE`. */
  ANY_WORD: 2,
  /** Child for `#`, or `NONE`. */
  ANY_WORDS: 3,
  /** How many children it has by word. */
  WORDS: 4,
  /** Head of the list of bindings whose pattern ends here. */
  BINDINGS: 5,
  /** Of a node for `#`: the search that it was reached in last. */
  REACHED: 6,
  /** A bit for each of its children by word, that of the lower bits of the word; some may be left over. */
  WORD_BITS: 7,
} as const;

export const ROOT = 0;
/** No node. */
export const NONE = EMPTY;

const STAR = -2;
const HASH = -3;
const NODES_MIN = 16;
/** 2^32 times another irrational: a word and a node must not cancel out. */
const MIX = 0x85eb_ca6b;

const { SHIFT, PARENT, WORD, ANY_WORD, ANY_WORDS, WORDS, BINDINGS, REACHED, WORD_BITS } = Node;

export class TopicTrie {
  readonly words = new WordTable();
  rows = new Int32Array(NODES_MIN << SHIFT);
  readonly #edges = new IdTable();
  #nodes = 0;
  /** First of the nodes that are not in use, linked by `PARENT`. */
  #free = NONE;

  constructor() {
    this.#newNode(NONE, NONE);
  }

  /** The child of a node by the id of a word, or `NONE`. */
  child(node: number, word: number): number {
    const { rows } = this;
    const { entries, mask } = this.#edges;
    const hash = edgeHash(node, word);
    for (let at = this.#edges.home(hash); ; at = (at + ENTRY) & mask) {
      const child = entries[at] as number;
      if (child === EMPTY) return NONE;
      if (entries[at + 1] !== hash) continue;
      const row = child << SHIFT;
      if (rows[row | PARENT] === node && rows[row | WORD] === word) return child;
    }
  }

  /** The node where a pattern ends, made if there is none. */
  make(pattern: string): number {
    let node = ROOT;
    for (const word of wordsOf(pattern)) node = this.#step(node, word);
    return node;
  }

  /** The node where a pattern ends, which is there. */
  find(pattern: string): number {
    let node = ROOT;
    for (const word of wordsOf(pattern)) {
      if (word === '*') node = this.rows[(node << SHIFT) | ANY_WORD] as number;
      else if (word === '#') node = this.rows[(node << SHIFT) | ANY_WORDS] as number;
      else node = this.child(node, this.words.idOf(word));
    }
    return node;
  }

  /** Forgets a node where no pattern ends any more, and those above it that led only here. */
  prune(node: number): void {
    let at = node;
    while (at !== ROOT && this.#isBare(at)) {
      const parent = this.rows[(at << SHIFT) | PARENT] as number;
      this.#forget(at, parent);
      at = parent;
    }
  }

  /** Forgets which nodes were reached: the number of the search begins anew. */
  forgetReached(): void {
    for (let node = 0; node < this.#nodes; node++) this.rows[(node << SHIFT) | REACHED] = 0;
  }

  #isBare(node: number): boolean {
    const row = node << SHIFT;
    const { rows } = this;
    if (rows[row | BINDINGS] !== END || rows[row | WORDS] !== 0) return false;
    return rows[row | ANY_WORD] === NONE && rows[row | ANY_WORDS] === NONE;
  }

  #step(node: number, word: string): number {
    if (word === '*') return this.#wildcard(node, ANY_WORD, STAR);
    if (word === '#') return this.#wildcard(node, ANY_WORDS, HASH);
    const known = this.words.idOf(word);
    const found = known === EMPTY ? NONE : this.child(node, known);
    if (found !== NONE) return found;
    const id = this.words.use(word);
    const made = this.#newNode(node, id);
    this.#edges.add(made, edgeHash(node, id));
    const row = (node << SHIFT) | WORDS;
    this.rows[row] = (this.rows[row] as number) + 1;
    const bits = (node << SHIFT) | WORD_BITS;
    this.rows[bits] = (this.rows[bits] as number) | (1 << id);
    return made;
  }

  #wildcard(node: number, field: number, word: number): number {
    const found = this.rows[(node << SHIFT) | field] as number;
    if (found !== NONE) return found;
    const made = this.#newNode(node, word);
    this.rows[(node << SHIFT) | field] = made;
    return made;
  }

  #newNode(parent: number, word: number): number {
    let node = this.#free;
    if (node === NONE) node = this.#nodes++;
    else this.#free = this.rows[(node << SHIFT) | PARENT] as number;
    const row = node << SHIFT;
    if (row === this.rows.length) this.#grow();
    const { rows } = this;
    rows[row | PARENT] = parent;
    rows[row | WORD] = word;
    rows[row | ANY_WORD] = NONE;
    rows[row | ANY_WORDS] = NONE;
    rows[row | WORDS] = 0;
    rows[row | BINDINGS] = END;
    rows[row | REACHED] = 0;
    rows[row | WORD_BITS] = 0;
    return node;
  }

  #grow(): void {
    const rows = new Int32Array(2 * this.rows.length);
    rows.set(this.rows);
    this.rows = rows;
  }

  #forget(node: number, parent: number): void {
    const { rows } = this;
    const word = rows[(node << SHIFT) | WORD] as number;
    if (word === STAR) rows[(parent << SHIFT) | ANY_WORD] = NONE;
    else if (word === HASH) rows[(parent << SHIFT) | ANY_WORDS] = NONE;
    else {
      this.#edges.remove(node, edgeHash(parent, word));
      this.words.release(word);
      const row = (parent << SHIFT) | WORDS;
      rows[row] = (rows[row] as number) - 1;
      if (rows[row] === 0) rows[(parent << SHIFT) | WORD_BITS] = 0;
    }
    rows[(node << SHIFT) | PARENT] = this.#free;
    this.#free = node;
  }
}

function edgeHash(node: number, word: number): number {
  return Math.imul(node, MIX) ^ word;
}
