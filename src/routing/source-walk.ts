/** Reads the source of an exchange for a pass, and waits for logs that are slow, but not for long. */
import { Bell } from '../core/bell.ts';
import { nextTurn, type Clock } from '../core/clock.ts';
import { KIB, MIB } from '../core/limits.ts';
import type { RecordSource } from '../log/record-source.ts';
import type { Outlet } from './outlet.ts';
import { PATIENCE_MS, patiently } from './patience.ts';
import type { ProjectionPass } from './projection-pass.ts';

/** On the way into destination logs, or about to be: beyond it the walk waits for a moment. */
const IN_FLIGHT_BYTES_MAX = 16 * MIB;
/** Copied between two looks at how much that is. */
const LOOK_BYTES = MIB;
/** Batches of the source whose copies may wait for more of them. */
const BATCHES_PER_FLUSH = 16;
/**
 * While much is published, copies go out once in so long: a few large writes and syncs cost each
 * destination less than many small ones...
 */
const GATHER_MS = 10;
/** ...where so much was copied since the last time, for all destinations together. */
const GATHER_BYTES = 256 * KIB;
/** Work that is done in one turn of the event loop. */
const TURN_MS = 1;
const BATCHES_PER_TURN = 64;

export interface SourceWalkParts {
  readonly clock: Clock;
  readonly pass: ProjectionPass;
  /** Ends by itself, or when it is closed. */
  readonly source: RecordSource;
  /** All outlets, whoever feeds them. */
  readonly outlets: Iterable<Outlet>;
  /** Opens the log of an outlet and has it marked; if that fails it is behind. Never rejects. */
  readonly ready: (outlet: Outlet) => Promise<void>;
  /** Whether there is more of the source to be read at once. */
  readonly hasMore: () => boolean;
  /** Records of this version and later ones end the walk; null = none do. */
  readonly beforeVersion: number | null;
  /** Whether copies may wait for more of them: nobody waits for them, and there will be more. */
  readonly mayGather: () => boolean;
  /** Called after each batch of the source. */
  readonly onRead: (sizeBytes: number) => void;
}

/** Why a walk ended: its range did, a version that ends it came, or it was closed. */
export type WalkEnd = 'range' | 'version' | 'closed';

export class SourceWalk {
  readonly #parts: SourceWalkParts;
  readonly #bell = new Bell();
  #batchesInBoxes = 0;
  #batchesInTurn = 0;
  #turnStartMs = 0;
  /** `copiedBytes` of the pass at the last look. */
  #lookedBytes = 0;
  /** When the walk had last read all there was, and `copiedBytes` then. */
  #gatheredMs = -Infinity;
  #gatheredBytes = 0;
  #isClosed = false;

  constructor(parts: SourceWalkParts) {
    this.#parts = parts;
  }

  /** Something is synced somewhere, or fell behind. */
  readonly moved = this.#bell.ring;

  /**
   * Walks until the source ends. What was read is handed over then, or was before.
   *
   * @throws as `Log.batches`; what stands in boxes then is dropped by who handles that
   */
  async run(): Promise<WalkEnd> {
    try {
      const end = await this.#run();
      this.#flush();
      return end;
    } finally {
      this.#parts.pass.write();
    }
  }

  /** Ends it where it is. */
  close(): void {
    this.#isClosed = true;
    this.#parts.source.close();
    this.#bell.ring();
  }

  async #run(): Promise<WalkEnd> {
    const { pass, source, hasMore, beforeVersion, onRead } = this.#parts;
    this.#beginTurn();
    while (await source.next()) {
      const { batch } = source;
      const { topologyVersion, sizeBytes } = batch.header;
      if (beforeVersion !== null && topologyVersion >= beforeVersion) return 'version';
      pass.begin(batch, source);
      await this.#step();
      onRead(sizeBytes);
      const isAll = !hasMore();
      if (++this.#batchesInBoxes >= BATCHES_PER_FLUSH || isAll) this.#flush();
      await this.#room();
      await this.#turn();
      if (isAll) await this.#gather();
    }
    return this.#isClosed ? 'closed' : 'range';
  }

  async #step(): Promise<void> {
    const { pass, ready } = this.#parts;
    for (;;) {
      const outlet = pass.step();
      if (outlet === null) return;
      await this.#readySoon(outlet, ready(outlet));
    }
  }

  /** A log that takes long to open falls behind, too. */
  async #readySoon(outlet: Outlet, ready: Promise<void>): Promise<void> {
    const isInTime = await patiently(this.#parts.clock, ready);
    if (!isInTime && this.#feeds(outlet)) outlet.leave();
  }

  #flush(): void {
    this.#batchesInBoxes = 0;
    this.#parts.pass.flush();
  }

  /**
   * Waits while too much is on its way; who does not get on in that time falls behind, unless others did
   * meanwhile: they are synced one after the other.
   */
  async #room(): Promise<void> {
    const { clock, pass } = this.#parts;
    if (pass.copiedBytes - this.#lookedBytes < LOOK_BYTES) return;
    this.#lookedBytes = pass.copiedBytes;
    if (this.#inFlightBytes() <= IN_FLIGHT_BYTES_MAX) return;
    this.#flush();
    let waiting = this.#waitingOutlets();
    let deadlineMs = clock.monotonic() + PATIENCE_MS;
    while (!this.#isClosed && this.#inFlightBytes() > IN_FLIGHT_BYTES_MAX / 2) {
      const delayMs = deadlineMs - clock.monotonic();
      if (delayMs <= 0) {
        waiting = this.#stillWaiting(waiting);
        deadlineMs = clock.monotonic() + PATIENCE_MS;
        continue;
      }
      this.#bell.silence();
      await this.#bell.wait({ clock, delayMs, signal: undefined, keepsAlive: false });
    }
  }

  /** All was handed over. Waits for more when that was much and it is not long ago. */
  async #gather(): Promise<void> {
    const { clock, pass, mayGather } = this.#parts;
    const isMuch = pass.copiedBytes - this.#gatheredBytes >= GATHER_BYTES;
    const endMs = isMuch ? this.#gatheredMs + GATHER_MS : -Infinity;
    while (mayGather() && !this.#isClosed) {
      const delayMs = endMs - clock.monotonic();
      if (delayMs <= 0) break;
      this.#bell.silence();
      await this.#bell.wait({ clock, delayMs, signal: undefined, keepsAlive: false });
    }
    this.#gatheredMs = clock.monotonic();
    this.#gatheredBytes = pass.copiedBytes;
  }

  #inFlightBytes(): number {
    let bytes = 0;
    for (const outlet of this.#parts.outlets) {
      if (this.#feeds(outlet)) bytes += outlet.inFlightBytes;
    }
    return bytes;
  }

  /** Those of which nothing was synced meanwhile; when that is all of them, they fall behind. */
  #stillWaiting(waiting: ReadonlyMap<Outlet, number>): ReadonlyMap<Outlet, number> {
    const all = this.#waitingOutlets();
    const stuck = new Map([...waiting].filter(([outlet, at]) => all.get(outlet) === at));
    if (stuck.size < waiting.size) return stuck;
    for (const outlet of stuck.keys()) outlet.leave();
    return this.#waitingOutlets();
  }

  /** Those that have something on its way, and as far as they are synced. */
  #waitingOutlets(): ReadonlyMap<Outlet, number> {
    const all = [...this.#parts.outlets];
    const waiting = all.filter((outlet) => this.#feeds(outlet) && !outlet.isSettled);
    return new Map(waiting.map((outlet) => [outlet, outlet.syncedPosition]));
  }

  #feeds(outlet: Outlet): boolean {
    return outlet.feeder === this.#parts.pass;
  }

  /** What publishers wait for comes first. */
  async #turn(): Promise<void> {
    const isOver = this.#parts.clock.monotonic() - this.#turnStartMs >= TURN_MS;
    if (!isOver && ++this.#batchesInTurn < BATCHES_PER_TURN) return;
    await nextTurn();
    this.#beginTurn();
  }

  #beginTurn(): void {
    this.#batchesInTurn = 0;
    this.#turnStartMs = this.#parts.clock.monotonic();
  }
}
