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
import type { Binding } from './binding.ts';
import type { BindingLists } from './binding-lists.ts';
import type { MatchList } from './match-list.ts';
import type { Router } from './router-type.ts';
import { Node, NONE, ROOT, TopicTrie } from './topic-trie.ts';
import { HASH_START, hashStep, UNKNOWN } from './word-table.ts';

const { SHIFT, ANY_WORD, ANY_WORDS, WORDS, BINDINGS, REACHED, WORD_BITS } = Node;

const DOT = 0x2e;
const NODES_MIN = 64;
const SEARCHES_MAX = 2 ** 31 - 1;

export class TopicRouter implements Router {
  readonly #lists: BindingLists;
  readonly #trie = new TopicTrie();
  /** Nodes that the words so far lead to, and those that the next word leads to. */
  #reached = new Int32Array(NODES_MIN);
  #next = new Int32Array(NODES_MIN);
  #nextCount = 0;
  /** Nodes for `#` that were reached and have children. */
  #open = new Int32Array(NODES_MIN);
  #openCount = 0;
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
    this.#nextCount = 0;
    this.#reach(ROOT, into);
    if (key.length > 0) this.#readWords(key, into);
    const { rows } = this.#trie;
    for (let at = 0; at < this.#nextCount; at++) {
      this.#lists.addAll(rows[((this.#next[at] as number) << SHIFT) | BINDINGS] as number, into);
    }
  }

  /** Every word, the one behind the last dot too, which may be empty. */
  #readWords(key: string, into: MatchList): void {
    const { length } = key;
    let start = 0;
    let hash = HASH_START;
    for (let at = 0; at < length; at++) {
      const character = key.charCodeAt(at);
      if (character !== DOT) {
        hash = hashStep(hash, character);
        continue;
      }
      this.#readWord(this.#trie.words.find(key, start, at, hash), into);
      if (this.#nextCount === 0 && this.#openCount === 0) return;
      start = at + 1;
      hash = HASH_START;
    }
    this.#readWord(this.#trie.words.find(key, start, length, hash), into);
  }

  #readWord(word: number, into: MatchList): void {
    const reached = this.#next;
    const reachedCount = this.#nextCount;
    const openCount = this.#openCount; // Those that this word opens wait for the next.
    this.#next = this.#reached;
    this.#reached = reached;
    this.#nextCount = 0;
    for (let at = 0; at < reachedCount; at++) this.#follow(reached[at] as number, word, into);
    for (let at = 0; at < openCount; at++) this.#follow(this.#open[at] as number, word, into);
  }

  #follow(node: number, word: number, into: MatchList): void {
    const row = node << SHIFT;
    const { rows } = this.#trie;
    if (word !== UNKNOWN && ((rows[row | WORD_BITS] as number) & (1 << word)) !== 0) {
      const child = this.#trie.child(node, word);
      if (child !== NONE) this.#reach(child, into);
    }
    const any = rows[row | ANY_WORD] as number;
    if (any !== NONE) this.#reach(any, into);
  }

  /** A node that is no `#`, and each `#` behind it, which no word leads to, too. */
  #reach(node: number, into: MatchList): void {
    const { rows } = this.#trie;
    this.#next[this.#nextCount++] = node;
    let open = rows[(node << SHIFT) | ANY_WORDS] as number;
    while (open !== NONE) {
      const row = open << SHIFT;
      if (rows[row | REACHED] === this.#search) return; // And so are those behind it.
      rows[row | REACHED] = this.#search;
      this.#lists.addAll(rows[row | BINDINGS] as number, into);
      if (rows[row | WORDS] !== 0 || rows[row | ANY_WORD] !== NONE) {
        this.#open[this.#openCount++] = open;
      }
      open = rows[row | ANY_WORDS] as number;
    }
  }

  #makeRoom(capacity: number): void {
    if (capacity <= this.#capacity) return;
    this.#reached = new Int32Array(capacity);
    this.#next = new Int32Array(capacity);
    this.#open = new Int32Array(capacity);
    this.#capacity = capacity;
  }

  #beginAnew(): void {
    this.#trie.forgetReached();
    this.#search = 0;
  }
}
