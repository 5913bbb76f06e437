/** The destination logs of a stream: those that a mark names, and those that were met since. */
import { toError } from '../core/abort.ts';
import type { Clock } from '../core/clock.ts';
import type { DestinationLog, DestinationLogs } from './destination-logs.ts';
import type { Feeder } from './feeder.ts';
import { Outlet, type OutletParts } from './outlet.ts';
import { patiently } from './patience.ts';
import type { ProjectionMarks } from './projection-marks.ts';
import { markedPosition, type LogMark } from './projection-state.ts';

export interface OutletsParts extends Omit<OutletParts, keyof DestinationLog> {
  readonly destinations: DestinationLogs;
  readonly marks: ProjectionMarks;
  readonly clock: Clock;
  /** One of them can be fed again. Must not throw. */
  readonly onMoved: () => void;
}

export class Outlets implements Iterable<Outlet> {
  readonly #parts: OutletsParts;
  /** By topic, then by partition. */
  readonly #byTopic = new Map<number, (Outlet | undefined)[]>();

  constructor(parts: OutletsParts) {
    this.#parts = parts;
  }

  find(topicId: number, partition: number): Outlet | null {
    return this.#byTopic.get(topicId)?.[partition] ?? null;
  }

  /** One that is met for the first time is new. Null when the topic is gone. */
  open(topicId: number, partition: number): Outlet | null {
    const known = this.find(topicId, partition);
    if (known !== null) return known;
    const { destinations, marks } = this.#parts;
    const place = destinations.find(topicId, partition);
    if (place === null) return null;
    // No mark names it, so there was nothing for it below the common position.
    return this.#add(place, { position: marks.state?.position ?? 0, endOffset: 0 });
  }

  /** Asks all that a mark names how far they are. @returns those that could tell; others are behind */
  async resume(): Promise<readonly Outlet[]> {
    const { destinations, marks } = this.#parts;
    const { state } = marks;
    if (state === null) return [];
    const known: Outlet[] = [];
    for (const [logId, mark] of state.logs) {
      const place = destinations.find(mark.topicId, mark.partition);
      if (place?.logId !== logId) {
        marks.forget(logId);
        continue;
      }
      const position = markedPosition(state.position, mark);
      const outlet = this.#add(place, { position, endOffset: mark.endOffset });
      outlet.isMarked = true;
      outlet.isKnown = false;
      await this.ask(outlet);
      if (outlet.isKnown) known.push(outlet);
    }
    return known;
  }

  /** Asks the log of one how far it is; one that does not say so soon is behind. Never rejects. */
  async ask(outlet: Outlet): Promise<void> {
    const isInTime = await patiently(
      this.#parts.clock,
      this.#prepare(outlet, () => outlet.ask()),
    );
    if (!isInTime) outlet.leave();
  }

  /** Opens the log of one, and has a mark name it; one that cannot be is behind. Never rejects. */
  ready(outlet: Outlet): Promise<void> {
    return this.#prepare(outlet, async () => {
      if (!outlet.isOpen) await outlet.open();
      // The others have not waited so long.
      if (this.#isGone(outlet) || outlet.isBehind) return outlet.close();
      if (!outlet.isMarked) await this.#parts.marks.name(outlet);
      outlet.isMarked = true;
    });
  }

  /** Nobody else comes to it meanwhile; who waits to feed it hears of the end. Never rejects. */
  async #prepare(outlet: Outlet, work: () => Promise<void>): Promise<void> {
    let failure: Error | null = null;
    outlet.isPreparing = true;
    try {
      await work();
    } catch (error) {
      failure = toError(error);
    }
    outlet.isPreparing = false;
    if (this.#isGone(outlet)) outlet.close();
    else if (failure !== null) outlet.refuse(failure);
    else if (outlet.isBehind) this.#parts.onMoved();
  }

  #isGone(outlet: Outlet): boolean {
    return this.find(outlet.topicId, outlet.partition) !== outlet;
  }

  /** Nothing is fed to them any more: resolves when what is on its way has come to its end. */
  async settled(): Promise<void> {
    for (const outlet of this) {
      if (outlet.hasBox) outlet.fallBack();
      await outlet.settled();
    }
  }

  /** Of all topics that have something of the stream, or will have. */
  get topicIds(): readonly number[] {
    return [...this.#byTopic.keys()];
  }

  /** Everything below is synced in all logs of a topic; infinite when there is none. */
  syncedPositionOf(topicId: number): number {
    let lowest = Infinity;
    for (const outlet of this.#byTopic.get(topicId) ?? []) {
      if (outlet !== undefined) lowest = Math.min(lowest, outlet.syncedPosition);
    }
    return lowest;
  }

  /** Everything of the source below is synced in all logs that a feeder feeds. */
  syncedPositionBy(feeder: Feeder): number {
    let { position } = feeder;
    for (const outlet of this) {
      if (outlet.feeder === feeder) position = Math.min(position, outlet.syncedPosition);
    }
    return position;
  }

  /** Those of one topic. */
  of(topicId: number): Outlet[] {
    return (this.#byTopic.get(topicId) ?? []).filter((outlet) => outlet !== undefined);
  }

  /** @returns those that were there */
  remove(topicId: number): Outlet[] {
    const gone = this.of(topicId);
    this.#byTopic.delete(topicId);
    return gone;
  }

  *[Symbol.iterator](): Generator<Outlet, void, void> {
    for (const outlets of this.#byTopic.values()) {
      for (const outlet of outlets) if (outlet !== undefined) yield outlet;
    }
  }

  #add(place: DestinationLog, from: Pick<LogMark, 'position' | 'endOffset'>): Outlet {
    const outlet = new Outlet({ ...this.#parts, ...place }, from);
    const known = this.#byTopic.get(outlet.topicId);
    if (known !== undefined) known[outlet.partition] = outlet;
    else {
      const outlets: (Outlet | undefined)[] = [];
      outlets[outlet.partition] = outlet;
      this.#byTopic.set(outlet.topicId, outlets);
    }
    return outlet;
  }
}
