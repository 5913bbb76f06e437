/** Counts where records go by a hypothesis, beside where they went. */

/** One queue or topic. */
export interface SimulatedDestination {
  /** Null = a topic that records went to, and that was deleted since. */
  readonly name: string | null;
  /** Records that would go there: `same` and `added`. */
  readonly recordCount: number;
  /** That went there, and would again. */
  readonly same: number;
  /** That would go there and did not; what a backfill brought later is among them. */
  readonly added: number;
  /** That went there and would not. */
  readonly removed: number;
}

export interface SimulationSummary {
  /** Records that were gone through. */
  readonly recordCount: number;
  /** Offset of the first and behind the last of them; null = there was none. */
  readonly range: { readonly start: number; readonly end: number } | null;
  /** Of them, those that would go nowhere, and those that went nowhere. */
  readonly unrouted: { readonly would: number; readonly did: number };
  /** Records that would go elsewhere than they went. */
  readonly differentCount: number;
  /** By name; those without one last. */
  readonly destinations: readonly SimulatedDestination[];
  /** From this offset on it is not known where records went; null = it is known of all. */
  readonly unknownFrom: number | null;
}

interface Counts {
  same: number;
  added: number;
  removed: number;
}

export class RouteTally {
  readonly #nameOf: (topicId: number) => string | null;
  readonly #counts = new Map<number, Counts>();
  #recordCount = 0;
  #start = -1;
  #end = -1;
  #wouldGoNowhere = 0;
  #wentNowhere = 0;
  #differentCount = 0;
  #unknownFrom: number | null = null;

  constructor(nameOf: (topicId: number) => string | null) {
    this.#nameOf = nameOf;
  }

  get summary(): SimulationSummary {
    const destinations = [...this.#counts].map(([topicId, { same, added, removed }]) => ({
      name: this.#nameOf(topicId),
      recordCount: same + added,
      same,
      added,
      removed,
    }));
    return {
      recordCount: this.#recordCount,
      range: this.#start < 0 ? null : { start: this.#start, end: this.#end },
      unrouted: { would: this.#wouldGoNowhere, did: this.#wentNowhere },
      differentCount: this.#differentCount,
      destinations: destinations.sort(byName),
      unknownFrom: this.#unknownFrom,
    };
  }

  /** Counts a record. @param went, would  topics by ascending id */
  add(offset: number, went: readonly number[], would: readonly number[]): void {
    if (this.#start < 0) this.#start = offset;
    this.#end = offset + 1;
    this.#recordCount++;
    if (would.length === 0) this.#wouldGoNowhere++;
    if (went.length === 0) this.#wentNowhere++;
    let isDifferent = false;
    let at = 0;
    let other = 0;
    while (at < went.length || other < would.length) {
      const before = went[at] ?? Number.POSITIVE_INFINITY;
      const now = would[other] ?? Number.POSITIVE_INFINITY;
      const counts = this.#of(Math.min(before, now));
      if (before === now) counts.same++;
      else if (before < now) counts.removed++;
      else counts.added++;
      if (before <= now) at++;
      if (now <= before) other++;
      if (before !== now) isDifferent = true;
    }
    if (isDifferent) this.#differentCount++;
  }

  /** It ends in front of an offset, for what came before is not known of what follows. */
  endBefore(offset: number): void {
    this.#unknownFrom = offset;
  }

  #of(topicId: number): Counts {
    const known = this.#counts.get(topicId);
    if (known !== undefined) return known;
    const counts = { same: 0, added: 0, removed: 0 };
    this.#counts.set(topicId, counts);
    return counts;
  }
}

function byName(one: { readonly name: string | null }, other: { readonly name: string | null }) {
  if (one.name === null || other.name === null)
    return Number(one.name === null) - Number(other.name === null);
  return one.name < other.name ? -1 : 1;
}
