/** Forgets the topologies of the past that no record is left of. */
import type { Clock, Timer } from '../core/clock.ts';
import type { Log } from '../log/log.ts';
import type { ExchangeCatalog } from './exchange-catalog.ts';

/** Sources let go of segments one after the other: it is looked once for many. */
const DELAY_MS = 60_000;

export interface HistoryPrunerParts {
  readonly clock: Clock;
  readonly exchanges: ExchangeCatalog;
  /** Exchanges with a source, those that are gone and not projected to their end too. */
  readonly exchangeIds: () => Iterable<number>;
}

export class HistoryPruner {
  readonly #parts: HistoryPrunerParts;
  #timer: Timer | null = null;
  #running: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(parts: HistoryPrunerParts) {
    this.#parts = parts;
  }

  /** A source has let go of records. */
  poke(): void {
    if (this.#isClosed) return;
    this.#timer ??= this.#parts.clock.setTimer(() => {
      this.#timer = null;
      // What fails is tried again when the next source lets go of something.
      this.#running = this.#prune().catch(() => undefined);
    }, DELAY_MS);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    await this.#running;
  }

  async #prune(): Promise<void> {
    const { exchanges, exchangeIds } = this.#parts;
    let belowVersion = exchanges.version;
    for (const exchangeId of exchangeIds()) {
      if (this.#isClosed) return;
      const version = await exchanges.sources.of(exchangeId)?.use((log) => firstVersion(log));
      belowVersion = Math.min(belowVersion, version ?? belowVersion);
    }
    await exchanges.prune(belowVersion);
  }
}

/** Of the oldest record that is left; null when none is. */
async function firstVersion(log: Log<Uint8Array>): Promise<number | null> {
  const source = log.source({ from: log.startOffset }, 'reused');
  try {
    return (await source.next()) ? source.batch.header.topologyVersion : null;
  } finally {
    source.close();
  }
}
