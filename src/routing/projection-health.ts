/** Tells `Store.health` which destinations are behind, and why. */
import type { HealthBoard } from '../core/health-board.ts';
import type { DestinationLogs } from './destination-logs.ts';
import type { ExchangeSources } from './exchange-sources.ts';
import type { Outlet } from './outlet.ts';
import type { Projection } from './projection.ts';
import {
  lowestPosition,
  markedPosition,
  streamId,
  type ProjectionState,
  type StreamName,
} from './projection-state.ts';

interface Place {
  readonly topic: string;
  readonly group: string;
  readonly partition?: number;
}

/** A source of which retention could not have what it wanted. */
interface HeldSource {
  readonly place: Place;
  /** Who was named. */
  readonly holder: string;
  /** Retention wanted all below. */
  readonly wantedOffset: number;
}

export class ProjectionHealth {
  readonly #board: HealthBoard;
  readonly #sources: ExchangeSources;
  readonly #destinations: DestinationLogs;
  /** What was raised, by stream. */
  readonly #behind = new Map<string, ReadonlyMap<Outlet, Place>>();
  /** By exchange. */
  readonly #held = new Map<number, HeldSource>();

  constructor(board: HealthBoard, sources: ExchangeSources, destinations: DestinationLogs) {
    this.#board = board;
    this.#sources = sources;
    this.#destinations = destinations;
  }

  /** Something may have changed for the worse, or the better. */
  look(name: StreamName, { failure, outlets }: Pick<Projection, 'failure' | 'outlets'>): void {
    const exchange = this.#nameOf(name.exchangeId);
    const places = new Map<Outlet, Place>();
    for (const outlet of outlets) {
      if (outlet.lastError === null) continue;
      const place = this.#placeOf(name, outlet);
      const message = `what ${exchange} sends there waits: ${outlet.lastError.message}`;
      this.#board.raise({ code: 'projection-behind', ...place, message });
      places.set(outlet, place);
    }
    this.#clear(name, places);
    this.#behind.set(streamId(name), places);
    const source = { topic: exchange, group: streamId(name) };
    if (failure === null) return this.#board.clear({ code: 'projection-failed', ...source });
    const message = `its source cannot be read: ${failure.message}`;
    this.#board.raise({ code: 'projection-failed', ...source, message });
  }

  /** Retention wanted records of a source below `wantedOffset`, and something still needs some of them. */
  held(exchangeId: number, wantedOffset: number, states: readonly ProjectionState[]): void {
    const holder = this.#holder(states);
    const place = { topic: this.#nameOf(exchangeId), group: '' };
    if (this.#held.get(exchangeId)?.holder !== holder) {
      this.letGo(exchangeId);
      const message = `its source cannot let go of records: ${holder} did not get them`;
      this.#board.raise({ code: 'source-held', ...place, message });
    }
    this.#held.set(exchangeId, { place, holder, wantedOffset });
  }

  /** Marks have moved: retention may have what it wanted now. @param lowest  below, nothing is needed */
  moved(exchangeId: number, lowest: () => number): void {
    const held = this.#held.get(exchangeId);
    if (held !== undefined && lowest() >= held.wantedOffset) this.letGo(exchangeId);
  }

  /** A stream has ended. */
  forget(name: StreamName): void {
    this.#clear(name, new Map());
    this.#behind.delete(streamId(name));
    const source = { topic: this.#nameOf(name.exchangeId), group: streamId(name) };
    this.#board.clear({ code: 'projection-failed', ...source });
  }

  /** Retention could have what it wanted, or wants nothing any more. */
  letGo(exchangeId: number): void {
    const held = this.#held.get(exchangeId);
    if (held !== undefined) this.#board.clear({ code: 'source-held', ...held.place });
    this.#held.delete(exchangeId);
  }

  /** What was told and is not so any more. */
  #clear(name: StreamName, places: ReadonlyMap<Outlet, Place>): void {
    for (const [outlet, place] of this.#behind.get(streamId(name)) ?? []) {
      if (!places.has(outlet)) this.#board.clear({ code: 'projection-behind', ...place });
    }
  }

  #placeOf(name: StreamName, { topicId, partition }: Outlet): Place {
    const topic = this.#destinations.nameOf(topicId) ?? String(topicId);
    return { topic, partition, group: streamId(name) };
  }

  #nameOf(exchangeId: number): string {
    return `exchange ${this.#sources.nameOf(exchangeId) ?? exchangeId}`;
  }

  /** The destination that is behind most. */
  #holder(states: readonly ProjectionState[]): string {
    let holder = 'something';
    let lowest = Math.min(...states.map(lowestPosition));
    for (const state of states) {
      for (const mark of state.logs.values()) {
        const position = markedPosition(state.position, mark);
        if (position > lowest) continue;
        lowest = position;
        const name = this.#destinations.nameOf(mark.topicId) ?? String(mark.topicId);
        holder = `partition ${mark.partition} of ${name}`;
      }
    }
    return holder;
  }
}
