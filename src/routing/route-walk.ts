/** Walks the graph for one record after the other, with the same memory for all of them. */
import type { ExchangeNode } from './exchange-node.ts';
import type { ExchangeTable } from './exchange-table.ts';
import { MatchList } from './match-list.ts';
import type { RecordHeaders } from './router-type.ts';
import { TargetSet } from './target-set.ts';
import type { TopicTable } from './topic-table.ts';

const NOWHERE: readonly number[] = [];
const NO_KEYS: readonly string[] = [];
/** Up to so many numbers are faster sorted here than by `Array.sort`, which calls for each comparison. */
const FEW = 16;

export class RouteWalk {
  readonly #exchanges: ExchangeTable;
  readonly #topics: TopicTable;
  /** Where a binding leads, by its slot: the number of a topic, or `~number` of an exchange. */
  readonly #targets: number[] = [];
  readonly #matches = new MatchList();
  readonly #reachedTopics = new TargetSet();
  readonly #reachedExchanges = new TargetSet();

  constructor(exchanges: ExchangeTable, topics: TopicTable) {
    this.#exchanges = exchanges;
    this.#topics = topics;
  }

  setTopic(slot: number, topicNumber: number): void {
    this.#targets[slot] = topicNumber;
  }

  setExchange(slot: number, { number }: ExchangeNode): void {
    this.#targets[slot] = ~number;
  }

  /**
   * The ids of the topics that a record reaches, ascending.
   *
   * @param further  routing keys beside the first
   */
  route(
    start: ExchangeNode,
    key: string,
    headers: RecordHeaders,
    further: readonly string[] = NO_KEYS,
  ): readonly number[] {
    const reached = this.#reachedExchanges;
    this.#reachedTopics.begin(this.#topics.capacity);
    reached.begin(this.#exchanges.capacity);
    reached.add(start.number);
    for (let at = 0; at < reached.count; at++) {
      const node = this.#exchanges.at(reached.members[at] as number);
      this.#matches.clear();
      node.router.match(key, headers, this.#matches);
      if (further.length > 0 && node.isByEachKey) this.#matchFurther(node, headers, further);
      this.#follow(node);
    }
    return this.#topicIds();
  }

  /** Some that match already may be added again. */
  #matchFurther(node: ExchangeNode, headers: RecordHeaders, further: readonly string[]): void {
    for (const key of further) node.router.match(key, headers, this.#matches);
  }

  /** To wherever the bindings lead that match, of all keys; if there is none, to the alternate. */
  #follow(node: ExchangeNode): void {
    const matches = this.#matches;
    if (matches.count === 0) {
      const alternate = this.#exchanges.alternateOf(node);
      if (alternate !== null) this.#reachedExchanges.add(alternate.number);
      return;
    }
    const { slots, count } = matches;
    for (let at = 0; at < count; at++) {
      const target = this.#targets[slots[at] as number] as number;
      if (target >= 0) this.#reachedTopics.add(target);
      else this.#reachedExchanges.add(~target);
    }
  }

  #topicIds(): readonly number[] {
    const { members, count } = this.#reachedTopics;
    if (count === 0) return NOWHERE;
    if (count === 1) return [this.#topics.topicIdAt(members[0] as number)];
    // oxlint-disable-next-line unicorn/no-new-array -- one that grows takes room for 17 numbers first
    const topicIds = new Array<number>(count);
    for (let at = 0; at < count; at++) {
      topicIds[at] = this.#topics.topicIdAt(members[at] as number);
    }
    return count <= FEW ? sortFew(topicIds) : topicIds.sort(ascending);
  }
}

/** By insertion. */
function sortFew(numbers: number[]): number[] {
  for (let end = 1; end < numbers.length; end++) {
    const moved = numbers[end] as number;
    let at = end;
    for (; at > 0 && (numbers[at - 1] as number) > moved; at--) {
      numbers[at] = numbers[at - 1] as number;
    }
    numbers[at] = moved;
  }
  return numbers;
}

function ascending(a: number, b: number): number {
  return a - b;
}
