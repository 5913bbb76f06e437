/** Tells what happens to one log of a store, and keeps what is wrong with it on the health board. */
import type { EventHub } from '../core/event-hub.ts';
import { CorruptLogError } from '../core/errors.ts';
import type { HealthBoard, ProblemCode } from '../core/health-board.ts';
import { QUARANTINE_BYTES_WARNED } from '../core/limits.ts';
import type { CompactedSegments } from '../log/compaction-tally.ts';
import type { LogEvents } from '../log/log-home.ts';
import type { Log } from '../log/log.ts';
import type { RetentionChoice } from '../log/retention.ts';
import type { LogPlace, StoreEvents } from './store-events.ts';

/** Where a store tells what happens, and what is wrong. */
export interface StoreSignals {
  readonly events: EventHub<StoreEvents>;
  readonly health: HealthBoard;
}

export class LogReporter implements LogEvents {
  /** Called when a segment begins: the one before it is sealed. Must not throw. */
  onRolled: () => void = () => undefined;
  readonly #place: LogPlace;
  readonly #signals: StoreSignals;

  constructor(place: LogPlace, signals: StoreSignals) {
    this.#place = place;
    this.#signals = signals;
  }

  rolled(baseOffset: number): void {
    this.#signals.events.emit('segment-rolled', { ...this.#place, baseOffset });
    this.onRolled();
  }

  retained({ startOffset, segmentCount, sizeBytes, reasons }: RetentionChoice): void {
    const what = { startOffset, segmentCount, sizeBytes, reasons: [...new Set(reasons)] };
    this.#signals.events.emit('segments-deleted', { ...this.#place, ...what });
  }

  compacted(compacted: CompactedSegments): void {
    this.#signals.events.emit('compacted', { ...this.#place, ...compacted });
  }

  slowSync(durationMs: number): void {
    this.#signals.events.emit('sync-slow', { ...this.#place, durationMs });
  }

  failed(error: Error): void {
    const { topic, partition } = this.#place;
    const { cause } = error;
    const why = cause instanceof Error ? cause.message : error.message;
    const { health, events } = this.#signals;
    if (topic === null) {
      health.raise({ code: 'journal-failed', message: `the journal failed: ${why}` });
    } else {
      const message = `the writer of ${topic}/${partition} failed: ${why}`;
      health.raise({ code: 'partition-failed', topic, partition, message });
    }
    events.emit('writer-failed', { topic, partition, error });
  }

  /** It was opened. @param quarantineBytes  what recoveries and repairs cut off */
  opened(log: Log<Uint8Array>, quarantineBytes: number): void {
    const { topic, partition } = this.#place;
    const { recovery } = log;
    const { health, events } = this.#signals;
    const isAsLeft = recovery.outcome === 'created' || recovery.outcome === 'clean';
    if (!isAsLeft) events.emit('recovered', { ...this.#place, recovery });
    if (topic === null) return;
    this.#clear('partition-damaged');
    this.#clear('partition-failed');
    if (log.readOnly) {
      const why = recovery.damage?.reason ?? recovery.notes.join('; ');
      const message = `${topic}/${partition} is read-only: ${why}`;
      health.raise({ code: 'partition-read-only', topic, partition, message });
    }
    if (quarantineBytes <= QUARANTINE_BYTES_WARNED) return;
    const message = `${topic}/${partition} has ${quarantineBytes} bytes in quarantine`;
    health.raise({ code: 'quarantine-large', topic, partition, message });
  }

  /** It could not be opened. */
  refused(error: unknown): void {
    const { topic, partition } = this.#place;
    if (topic === null || !(error instanceof CorruptLogError)) return;
    const message = `${topic}/${partition} is damaged: ${error.message}`;
    this.#signals.health.raise({ code: 'partition-damaged', topic, partition, message });
  }

  /** It was closed; what is wrong with its files still is. */
  closed(): void {
    this.#clear('partition-failed');
    this.#clear('partition-read-only');
    this.#clear('dedup-holds-records');
  }

  /** Its files are others now: what was wrong with the old ones is not any more. */
  replaced(): void {
    this.#clear('partition-damaged');
  }

  /** It is no part of the store any more. */
  gone(): void {
    this.closed();
    this.#clear('partition-damaged');
    this.#clear('quarantine-large');
    this.#clear('compaction-failed');
  }

  #clear(code: ProblemCode): void {
    const { topic, partition } = this.#place;
    this.#signals.health.clear({ code, topic, partition });
  }
}
