/** Records that transactions published, perhaps to several exchanges: all of one are there, or none. */
import type { Source } from './routing-oracle.ts';

export interface PublishedTogether {
  /** Of each record: its number, and where it went. */
  readonly parts: readonly { readonly id: number; readonly source: Source }[];
  /** Its caller was told that nothing happened. */
  isRefused: boolean;
}

export class RoutingTransactions {
  readonly #all: PublishedTogether[] = [];

  begin(parts: PublishedTogether['parts']): PublishedTogether {
    const begun = { parts, isRefused: false };
    this.#all.push(begun);
    return begun;
  }

  /** As all sources were seen at one time when nothing was on its way. */
  problems(): string[] {
    const seen = new Map<Source, ReadonlySet<number>>();
    const problems: string[] = [];
    for (const { parts, isRefused } of this.#all) {
      // Of such a source it is not known what it held.
      if (parts.some(({ source }) => source.isBlind || source.isGone)) continue;
      const there = parts.filter(({ id, source }) => {
        const ids = seen.get(source) ?? new Set(source.ledger.inOrder.map((each) => each.id));
        seen.set(source, ids);
        return ids.has(id);
      });
      const what = parts.map(({ id, source }) => `#${id} in ${source.name}`).join();
      if (there.length > 0 && isRefused) problems.push(`${what} are there, and were refused`);
      if (there.length > 0 && there.length < parts.length) {
        problems.push(`of ${what} only ${there.map(({ id }) => `#${id}`).join()} are there`);
      }
    }
    return problems;
  }
}
