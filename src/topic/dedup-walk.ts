/** Reads what the batches of a log say of the ids in them, without a look at the records. */
import { nextTurn, type Clock } from '../core/clock.ts';
import { nextOffsetOf } from '../format/batch-header.ts';
import { extensionOf } from '../format/extension.ts';
import { fingerprintsIn, type Fingerprints } from '../format/fingerprints-extension.ts';
import type { Log } from '../log/log.ts';
import type { DedupTable } from './dedup-table.ts';

/** Others have their turn after so long. */
const TURN_MS = 5;

/** Lets others have their turn, whoever works with it. */
export class Turns {
  readonly #clock: Clock;
  #sinceMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#sinceMs = clock.monotonic();
  }

  /** Call it now and then. */
  async giveWay(): Promise<void> {
    if (this.#clock.monotonic() - this.#sinceMs < TURN_MS) return;
    await nextTurn();
    this.#sinceMs = this.#clock.monotonic();
  }
}

/** Ascending: up to which offset, and when that was appended. */
export type AppendTimes = (readonly [endOffset: number, timeMs: number])[];

/** Offsets [from, to) of a partition. */
export interface WalkedRange {
  readonly partition: number;
  readonly from: number;
  readonly to: number;
}

/** Where it goes. */
export interface WalkedIds {
  readonly table: DedupTable;
  readonly times: AppendTimes;
  readonly turns: Turns;
  /** Which records are left out; null = none. */
  readonly isOver?: ((offset: number) => boolean) | null;
}

/** Adds what the extensions of batches say to a table, and when they were appended. @throws as `Log.batches` */
export async function walkIds(
  log: Log<Uint8Array>,
  { partition, from, to }: WalkedRange,
  into: WalkedIds,
): Promise<void> {
  if (from >= to) return;
  const source = log.source({ from, to, keepsAlive: false }, 'reused');
  try {
    while (await source.next()) {
      const { bytes, at, header, file } = source.batch;
      into.times.push([nextOffsetOf(header), header.appendTimeMs]);
      const extension = extensionOf(bytes, at, header);
      const fingerprints = fingerprintsIn({ header, extension, file });
      if (fingerprints !== null) {
        const { baseOffset } = header;
        into.table.addRun(partition, baseOffset, wordsOf(fingerprints, baseOffset, into.isOver));
      }
      await into.turns.giveWay();
    }
  } finally {
    source.close();
  }
}

/** Of each offset high and low; 0, 0 = its record is left out, or none is there. */
function wordsOf(
  fingerprints: Fingerprints,
  baseOffset: number,
  isOver: WalkedIds['isOver'],
): Uint32Array {
  const { count } = fingerprints;
  const words = new Uint32Array(count === 0 ? 0 : 2 * (fingerprints.delta(count - 1) + 1));
  for (let index = 0; index < count; index++) {
    const delta = fingerprints.delta(index);
    if (isOver?.(baseOffset + delta) === true) continue;
    words[2 * delta] = fingerprints.high(index);
    words[2 * delta + 1] = fingerprints.low(index);
  }
  return words;
}
