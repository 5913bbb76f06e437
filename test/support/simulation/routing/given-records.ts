/** What backfills of one source have given: a later one leaves it out. */
import type { SeenRecord } from './log-ledger.ts';
import type { Destination, Due, Stream } from './routing-oracle.ts';

/** What backfills of one source gave, the earliest first: what a later one leaves out. */
export class Given {
  /** Logs of which that is not known. */
  readonly unknownLogs = new Set<string>();
  readonly #destinations: ReadonlyMap<number, Destination>;
  readonly #ids = new Set<string>();

  constructor(destinations: ReadonlyMap<number, Destination>) {
    this.#destinations = destinations;
  }

  has(log: string, id: number): boolean {
    return this.#ids.has(`${log} ${id}`);
  }

  isUnknown(log: string): boolean {
    return this.unknownLogs.has(log);
  }

  add(log: string, due: readonly Due[]): void {
    for (const { id } of due) this.#ids.add(`${log} ${id}`);
  }

  /** Of one that may have been cut: what is there. */
  addSeen(log: string, from: Pick<Stream, 'exchangeId' | 'number'>, due: readonly Due[]): void {
    const [topicId = 0, partition = 0] = log.split('/').map(Number);
    const ledger = this.#destinations.get(topicId)?.ledgers[partition];
    if (ledger === undefined) return;
    if (ledger.unseenCount > 0) this.unknownLogs.add(log);
    const isOfStream = ({ batch }: SeenRecord): boolean =>
      batch.from?.exchangeId === from.exchangeId && batch.from.stream === from.number;
    const seen = new Set(ledger.inOrder.filter(isOfStream).map(({ id }) => id));
    this.add(
      log,
      due.filter(({ id }) => seen.has(id)),
    );
  }
}
