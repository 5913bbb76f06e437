/**
 * Bindings of a topic exchange: those whose pattern matches the routing key.
 *
 * @hot No allocation; `test/support/reference/topic-match.ts` is the slow twin.
 *
 * A key is read once, word by word, and with it goes the set of nodes of the trie that its beginning
 * leads to. No branch is walked twice, so many `#` in a pattern cost no more than as many other words:
 * a search that tries one branch after the other takes exponential time for `#.#.#.#`. A node for
 * `#`, once reached, stays reached to the end, whatever comes; so its bindings match at once. All
 * other nodes have one way that leads to them, and are reached once per word at most.
 */
import { ROUTING_KEY_BYTES_MAX } from '../core/limits.ts';
import type { Binding } from './binding.ts';
import { END, type BindingLists } from './binding-lists.ts';
import type { MatchList } from './match-list.ts';
import type { Router } from './router-type.ts';
import { Node, NONE, ROOT, TopicTrie } from './topic-trie.ts';
import { HASH_START, hashStep, UNKNOWN } from './word-table.ts';

const { SHIFT, ANY_WORD, ANY_WORDS, WORDS, BINDINGS, REACHED, WORD_BITS } = Node;

const ROOT_OPENS = (ROOT << SHIFT) | ANY_WORDS;
const DOT = 0x2e;
const NODES_MIN = 64;
const SEARCHES_MAX = 2 ** 31 - 1;

export class TopicRouter implements Router {
  readonly #lists: BindingLists;
  readonly #trie = new TopicTrie();
  /** Nodes that the words so far lead to, and those that the next word leads to. */
  #reached = new Int32Array(NODES_MIN);
  #next = new Int32Array(NODES_MIN);
  /** Nodes for `#` that were reached and have children. */
  #opened = new Int32Array(NODES_MIN);
  #openCount = 0;
  /** Of the key, dots left out. */
  #characters = new Uint16Array(ROUTING_KEY_BYTES_MAX);
  /** Number of the present search. */
  #search = 0;
  /** Room for all nodes of the trie. */
  #capacity = NODES_MIN;

  constructor(lists: BindingLists) {
    this.#lists = lists;
  }

  add(slot: number, { routingKey }: Binding): void {
    const row = this.#trie.make(routingKey) << SHIFT;
    const { rows } = this.#trie;
    rows[row | BINDINGS] = this.#lists.push(rows[row | BINDINGS] as number, slot);
    this.#makeRoom(rows.length >> SHIFT);
  }

  remove(slot: number, { routingKey }: Binding): void {
    const node = this.#trie.find(routingKey);
    const row = node << SHIFT;
    const { rows } = this.#trie;
    rows[row | BINDINGS] = this.#lists.remove(rows[row | BINDINGS] as number, slot);
    this.#trie.prune(node);
  }

  match(key: string, _headers: unknown, into: MatchList): void {
    if (this.#search === SEARCHES_MAX) this.#beginAnew();
    this.#search++;
    this.#openCount = 0;
    const { rows } = this.#trie;
    if (rows[ROOT_OPENS] !== NONE) this.#open(rows[ROOT_OPENS] as number, into);
    this.#reached[0] = ROOT;
    const count = key.length > 0 ? this.#readWords(key, into) : 1;
    const reached = this.#reached;
    for (let at = 0; at < count; at++) {
      const head = rows[((reached[at] as number) << SHIFT) | BINDINGS] as number;
      if (head !== END) this.#lists.addAll(head, into);
    }
  }

  /** Every word, the one behind the last dot too, which may be empty. @returns how many it reached */
  #readWords(key: string, into: MatchList): number {
    const { words } = this.#trie;
    const { length } = key;
    if (length > this.#characters.length) this.#characters = new Uint16Array(length);
    const characters = this.#characters;
    let count = 1;
    let start = 0;
    let hash = HASH_START;
    for (let at = 0; at < length; at++) {
      const character = key.charCodeAt(at);
      if (character !== DOT) {
        characters[at] = character;
        hash = hashStep(hash, character);
        continue;
      }
      count = this.#readWord(words.find(characters, start, at, hash), count, into);
      if (count === 0 && this.#openCount === 0) return 0;
      start = at + 1;
      hash = HASH_START;
    }
    return this.#readWord(words.find(characters, start, length, hash), count, into);
  }

  /** Goes on from `count` nodes. @returns how many it reached */
  #readWord(word: number, count: number, into: MatchList): number {
    const reached = this.#reached;
    const next = this.#next;
    const openCount = this.#openCount; // Those that this word opens wait for the next.
    let nextCount = 0;
    for (let at = 0; at < count; at++) {
      nextCount = this.#follow(reached[at] as number, word, nextCount, into);
    }
    for (let at = 0; at < openCount; at++) {
      nextCount = this.#follow(this.#opened[at] as number, word, nextCount, into);
    }
    this.#reached = next;
    this.#next = reached;
    return nextCount;
  }

  /** Adds the nodes that a word leads to from a node. @returns how many there are now */
  #follow(node: number, word: number, count: number, into: MatchList): number {
    const trie = this.#trie;
    const { rows } = trie;
    const next = this.#next;
    const row = node << SHIFT;
    let nextCount = count;
    if (word !== UNKNOWN && ((rows[row | WORD_BITS] as number) & (1 << word)) !== 0) {
      const child = trie.child(node, word);
      if (child !== NONE) {
        next[nextCount++] = child;
        const opens = rows[(child << SHIFT) | ANY_WORDS] as number;
        if (opens !== NONE) this.#open(opens, into);
      }
    }
    const any = rows[row | ANY_WORD] as number;
    if (any !== NONE) {
      next[nextCount++] = any;
      const opens = rows[(any << SHIFT) | ANY_WORDS] as number;
      if (opens !== NONE) this.#open(opens, into);
    }
    return nextCount;
  }

  /** A node for `#`, and each `#` behind it, which no word leads to. */
  #open(node: number, into: MatchList): void {
    const { rows } = this.#trie;
    for (let at = node; at !== NONE; at = rows[(at << SHIFT) | ANY_WORDS] as number) {
      const row = at << SHIFT;
      if (rows[row | REACHED] === this.#search) return; // And so are those behind it.
      rows[row | REACHED] = this.#search;
      this.#lists.addAll(rows[row | BINDINGS] as number, into);
      if (rows[row | WORDS] !== 0 || rows[row | ANY_WORD] !== NONE) {
        this.#opened[this.#openCount++] = at;
      }
    }
  }

  #makeRoom(capacity: number): void {
    if (capacity <= this.#capacity) return;
    this.#reached = new Int32Array(capacity);
    this.#next = new Int32Array(capacity);
    this.#opened = new Int32Array(capacity);
    this.#capacity = capacity;
  }

  #beginAnew(): void {
    this.#trie.forgetReached();
    this.#search = 0;
  }
}
