/**
 * One destination log of a stream of an exchange: what is on its way there, and how far it has come.
 *
 * Positions are offsets of the source: everything below is in the log, as far as it belongs there. Each
 * batch carries the position behind it, so output and position are durable together or not at all.
 */
import { assert } from '../core/assert.ts';
import type { Clock } from '../core/clock.ts';
import { ClosedError } from '../core/errors.ts';
import type { EncodedRecords } from '../format/batch-encoder.ts';
import type { Log } from '../log/log.ts';
import type { Partition } from '../topic/partition.ts';
import { HandedBatches, type HandedBatch } from './handed-batches.ts';
import type { Outbox, OutboxPool } from './outbox.ts';
import type { Feeder } from './feeder.ts';
import { lastPosition } from './last-position.ts';
import { StalledError } from './patience.ts';
import type { LogMark, StreamName } from './projection-state.ts';
import type { BoxOwner } from './shared-boxes.ts';

export interface OutletParts {
  readonly clock: Clock;
  readonly stream: StreamName;
  readonly topicId: number;
  readonly logId: number;
  readonly log: Partition;
  readonly boxes: OutboxPool;
  /** Something of it is synced. Must not throw. */
  readonly onSynced: (outlet: Outlet) => void;
  /** What went wrong the last time goes well. Must not throw. */
  readonly onRecovered: (outlet: Outlet) => void;
  /** It has fallen behind: it was refused, or, with null, it is slow. Must not throw. */
  readonly onBehind: (outlet: Outlet, error: Error | null) => void;
}

export class Outlet implements BoxOwner {
  readonly topicId: number;
  readonly logId: number;
  readonly partition: number;
  /** What reads the source for it; null = it is behind, and waits for its turn. */
  feeder: Feeder | null = null;
  /** Whether a durable mark names it: before that, nothing may be written into the log. */
  isMarked = false;
  /** Whether `position` is known: after a refusal the log itself must be asked. */
  isKnown = true;
  /** Whether it was let off what it has not got while nobody knew what that is. */
  isLetOff = false;
  /** Whether it is let off something that the journal does not say yet: it must not be fed beyond. */
  isSkipping = false;
  /** Whether its log is being opened or asked: nobody else comes to it meanwhile. */
  isPreparing = false;
  /** Whether all keep away from the log until `goOn`. */
  isSuspended = false;
  /** Records of the source below are in the log, or on their way. */
  position: number;
  /** Records that were synced there. */
  recordCount = 0;
  /** Why it was refused the last time; null = it was not, since something went well. */
  lastError: Error | null = null;
  readonly #parts: OutletParts;
  #box: Outbox | null = null;
  #boxTimeMs = 0;
  /** Of the oldest record that it did not get when it fell behind; before, when it was met. */
  #behindTimeMs: number;
  readonly #handed = new HandedBatches();
  #syncedPosition: number;
  #endOffset: number;
  #release: (() => void) | null = null;
  #onSettled: (() => void) | null = null;
  #asking: Promise<unknown> | null = null;

  /**
   * @param mark  what is known of it
   */
  constructor(parts: OutletParts, mark: Pick<LogMark, 'position' | 'endOffset'>) {
    this.#parts = parts;
    this.topicId = parts.topicId;
    this.logId = parts.logId;
    this.partition = parts.log.number;
    this.position = mark.position;
    this.#syncedPosition = mark.position;
    this.#endOffset = mark.endOffset;
    this.#behindTimeMs = parts.clock.now();
  }

  /** Whether nothing is on its way. */
  get isSettled(): boolean {
    return this.#handed.isEmpty;
  }

  /** Whether nothing is on its way, and nothing waits to be. */
  get isIdle(): boolean {
    return this.#handed.isEmpty && this.#box === null;
  }

  /** Bytes on their way, or about to be. */
  get inFlightBytes(): number {
    return this.#handed.sizeBytes + (this.#box?.sizeBytes ?? 0);
  }

  /** Everything of the source below is synced in the log, as far as it belongs there. */
  get syncedPosition(): number {
    return this.isIdle && this.isKnown ? this.#fedPosition : this.#syncedPosition;
  }

  /** What a mark may say of it now. */
  mark(): LogMark {
    const { topicId, partition, syncedPosition: position } = this;
    this.#endOffset = Math.max(this.#endOffset, this.#passableOffset);
    return { topicId, partition, position, endOffset: this.#endOffset, isBehind: this.isBehind };
  }

  /** When the oldest record was published that it is to get and has not; null = it has all. */
  get waitingSinceMs(): number | null {
    const { first } = this.#handed;
    if (first !== undefined) return first.timeMs;
    if (this.#box !== null) return this.#boxTimeMs;
    return this.isBehind ? this.#behindTimeMs : null;
  }

  get isBehind(): boolean {
    return this.feeder === null;
  }

  /** Whether records can be handed over now; else `open` comes first. */
  get isOpen(): boolean {
    return this.#release !== null && isOpen(this.#parts.log.opened);
  }

  /** Opens the log, which stays open while anything is on its way. @throws as `Partition.log` */
  async open(): Promise<void> {
    this.#release ??= this.#parts.log.hold();
    await this.#parts.log.log();
  }

  get hasBox(): boolean {
    return this.#box !== null;
  }

  /** Where its next batch grows; it has not begun: null. */
  get box(): Outbox | null {
    return this.#box;
  }

  /** The box of its next batch, and of no other log's. What is added is copied before its batch changes. */
  ownBox(): Outbox {
    const shared = this.#box;
    if (shared === null) return this.#begin(this.#parts.boxes.take());
    if (shared.ownerCount === 1) return shared;
    const own = this.#parts.boxes.take();
    own.copyFrom(shared);
    this.#parts.boxes.giveBack(shared);
    this.#box = own;
    return own;
  }

  /** Its next batch is that of another log, which has had the same records so far. */
  shareBox(box: Outbox): void {
    box.ownerCount++;
    if (this.#box === null) this.#begin(box);
    else this.#parts.boxes.giveBack(this.#box);
    this.#box = box;
  }

  /** Copies what was added. */
  copy(): void {
    this.#box?.copy();
  }

  /**
   * Hands over what was added, as one batch; `write` follows. It is marked and open.
   *
   * @param position  everything of the source below is in this batch or was before
   */
  flush(position: number): void {
    const box = this.#box;
    if (box === null) return;
    const { log, boxes, stream } = this.#parts;
    const { recordCount, sizeBytes } = box;
    const { opened } = log;
    assert(this.isMarked && opened !== null, 'it is marked and open');
    const baseOffset = opened.endOffset;
    const nextOffset = baseOffset + recordCount;
    const timeMs = this.#boxTimeMs;
    const handed = { position, baseOffset, nextOffset, sizeBytes, recordCount, timeMs };
    const refusal = this.#append(opened, box.encoded({ ...stream, position }), handed);
    // What stands in the box was not fed until it is handed over.
    if (refusal !== null) return this.refuse(refusal);
    this.#box = null;
    boxes.giveBack(box);
  }

  /** Has all written that was handed over. */
  write(): void {
    const { opened } = this.#parts.log;
    if (opened !== null && isOpen(opened)) opened.forStore().encoded.write();
  }

  /**
   * It is behind from here on.
   *
   * @param isKnown  whether it is certain what the log holds of what was handed over
   */
  refuse(error: Error, isKnown = this.isSettled && this.isKnown): void {
    const position = this.syncedPosition;
    this.lastError = error;
    this.#behind(position);
    this.#syncedPosition = position;
    this.isKnown = isKnown;
    this.#parts.onBehind(this, error);
    this.#letGo();
  }

  /** Nothing is wrong with it any more. */
  recovered(): void {
    if (this.lastError === null) return;
    this.lastError = null;
    this.#parts.onRecovered(this);
  }

  /** As `fallBack`, and told of. */
  leave(): void {
    this.lastError ??= new StalledError();
    this.fallBack();
  }

  /** It is too slow for the others. What was handed over stays on its way. */
  fallBack(): void {
    const handedPosition = this.#handed.last?.position;
    this.#behind(handedPosition ?? this.syncedPosition);
    this.#parts.onBehind(this, null);
  }

  /** Resolves when nothing is on its way any more. */
  async settled(): Promise<void> {
    while (!this.isSettled) {
      await new Promise<void>((resolve) => {
        const others = this.#onSettled;
        this.#onSettled = () => {
          others?.();
          resolve();
        };
      });
    }
  }

  /**
   * Asks the log how far it is: what was projected behind the mark speaks for itself. Nothing is on
   * its way. @throws as `Log.batches`
   */
  async ask(): Promise<void> {
    const { log, stream } = this.#parts;
    const asking = log.use((opened) => lastPosition(opened, this.#endOffset, stream));
    this.#asking = asking.catch(() => undefined);
    const found = await asking;
    this.position = Math.max(this.#syncedPosition, found ?? 0);
    this.#syncedPosition = this.position;
    this.isKnown = true;
  }

  /** Resolves when nobody touches the log any more. What is on its way comes to its end first. */
  async suspend(): Promise<void> {
    this.isSuspended = true;
    this.fallBack();
    await this.settled();
    await this.#asking;
    this.#releaseOnce();
  }

  /** It is fed again. The log may be another one, with the same records: it is asked how far it is. */
  goOn(): void {
    this.isSuspended = false;
    this.isKnown = false;
    this.recovered();
    this.fallBack();
  }

  /**
   * Lets it off everything below; what is on its way may still come. It is not fed until the journal says
   * so, for what follows only makes sense without what was skipped.
   *
   * @param position  of the source
   * @returns to be told whether that is journaled; if not, it is taken back
   */
  skipTo(position: number): (isJournaled: boolean) => void {
    const before = { position: this.position, synced: this.#syncedPosition };
    this.isSkipping = true;
    this.position = Math.max(this.position, position);
    this.isLetOff = !this.isKnown;
    this.#syncedPosition = Math.max(this.#syncedPosition, position);
    return (isJournaled) => {
      this.isSkipping = false;
      if (isJournaled) return;
      this.position = before.position;
      this.#syncedPosition = before.synced;
      this.isKnown = false; // The log says how far it is.
      this.isLetOff = false;
    };
  }

  /** Lets go of the log; what was handed over comes to its own end. */
  close(): void {
    this.#behind(this.position);
    this.#releaseOnce();
  }

  /** Below are no batches of later positions: a mark that passed those would hide them. */
  get #passableOffset(): number {
    const { opened } = this.#parts.log;
    if (!this.isKnown || opened === null) return 0;
    const { first } = this.#handed;
    const { syncedOffset, visibleOffset } = opened;
    // What a writer that failed has left out of sight may be in the log: nobody could ask for it.
    return Math.min(syncedOffset, visibleOffset, first?.baseOffset ?? Infinity);
  }

  /** Of a log that has nothing on its way. */
  get #fedPosition(): number {
    return Math.max(this.#syncedPosition, this.position, this.feeder?.position ?? 0);
  }

  /** @param position  as far as it is handed over, and on its way or synced */
  #behind(position: number): void {
    const batchTimeMs = this.feeder?.batchTimeMs ?? 0;
    const sinceMs = this.waitingSinceMs ?? batchTimeMs;
    // What has not begun to feed it changes nothing.
    if (sinceMs > 0) this.#behindTimeMs = sinceMs;
    if (this.#box !== null) this.#parts.boxes.giveBack(this.#box);
    this.#box = null;
    this.position = position;
    this.feeder = null;
  }

  #begin(box: Outbox): Outbox {
    if (this.isSettled) this.#syncedPosition = this.#fedPosition;
    this.#boxTimeMs = this.feeder?.batchTimeMs ?? 0;
    this.#box = box;
    return box;
  }

  #append(log: Log<Uint8Array>, records: EncodedRecords, handed: HandedBatch): Error | null {
    if (!isOpen(log)) return new ClosedError({ resource: 'log', name: log.path });
    const { encoded } = log.forStore();
    const refusal = encoded.append(records, {
      complete: () => this.#synced(handed),
      fail: (error) => this.#takenBack(handed, error),
    });
    if (refusal !== null) return refusal;
    this.#handed.add(handed);
    return null;
  }

  /** They end in order. */
  #synced(handed: HandedBatch): void {
    const { position, nextOffset, recordCount } = handed;
    this.#forget(handed);
    this.#syncedPosition = Math.max(this.#syncedPosition, position);
    this.#endOffset = Math.max(this.#endOffset, nextOffset);
    this.recordCount += recordCount;
    if (this.isKnown) this.recovered();
    this.#parts.onSynced(this);
    this.#letGo();
  }

  #takenBack(handed: HandedBatch, error: Error): void {
    const { isKnown } = this;
    this.isKnown = false; // What was fed is not all there: how far it is only the log can tell.
    this.#forget(handed);
    if (isKnown) this.refuse(error, false);
    else this.#letGo();
  }

  #forget(handed: HandedBatch): void {
    this.#handed.forget(handed);
    if (!this.isSettled) return;
    this.#onSettled?.();
    this.#onSettled = null;
  }

  /** Who has nothing on its way need not have the log open. */
  #letGo(): void {
    if (this.isIdle) this.#releaseOnce();
  }

  #releaseOnce(): void {
    const release = this.#release;
    this.#release = null; // First: who is told may come back here.
    release?.();
  }
}

function isOpen(log: Log<Uint8Array> | null): boolean {
  return log !== null && log.life.closing === null;
}
