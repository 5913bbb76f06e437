/** What a log was seen to hold, offset by offset, also of what is gone by now. */
import { OffsetOutOfRangeError } from '../../../../src/core/errors.ts';
import { projectedFrom, sourceOffsetOf } from '../../../../src/format/projected-extension.ts';
import type { Log } from '../../../../src/log/log.ts';
import type { LogRecord } from '../../../../src/log/record.ts';

export interface SeenBatch {
  readonly baseOffset: number;
  readonly nextOffset: number;
  readonly version: number;
  /** Null = it was appended, not projected. */
  readonly from: {
    readonly exchangeId: number;
    readonly stream: number;
    readonly position: number;
    /** By record. */
    readonly offsets: readonly (number | null)[];
  } | null;
}

export interface SeenRecord {
  /** Its number, of which there is no other. */
  readonly id: number;
  readonly batch: SeenBatch;
}

/** A look at a log: what stands from `from` to below `to`. */
interface Look {
  readonly startOffset: number;
  readonly from: number;
  readonly to: number;
  readonly batches: readonly SeenBatch[];
  readonly ids: ReadonlyMap<number, number>;
}

/** The number of a record. */
export type Identify = (record: LogRecord<Uint8Array>) => number;

export class LogLedger {
  readonly name: string;
  readonly #identify: Identify;
  /** By offset; what was deleted since is kept. */
  readonly records = new Map<number, SeenRecord>();
  /** Where it began, and ended, at the last look. */
  start = 0;
  end = 0;

  constructor(name: string, identify: Identify) {
    this.name = name;
    this.#identify = identify;
  }

  /** How many offsets nobody saw anything at: they were deleted before. */
  get unseenCount(): number {
    let count = 0;
    for (let offset = 0; offset < this.end; offset++) if (!this.records.has(offset)) count++;
    return count;
  }

  /** In order of offsets. */
  get inOrder(): readonly (SeenRecord & { readonly offset: number })[] {
    const all = [...this.records].map(([offset, seen]) => ({ ...seen, offset }));
    return all.toSorted((one, other) => one.offset - other.offset);
  }

  /** Its end, for a story. */
  show(from: number): string {
    const batches = new Set(this.inOrder.filter(({ offset }) => offset >= from).map(batchOf));
    const shown = [...batches].map(({ baseOffset, nextOffset, version, from: copied }) => {
      const ids: (number | undefined)[] = [];
      for (let at = baseOffset; at < nextOffset; at++) ids.push(this.records.get(at)?.id);
      const how = copied === null ? `v${version}` : `${copied.stream} to ${copied.position}`;
      return `${baseOffset}: ${ids.join()} (${how})`;
    });
    return `${this.name} from ${this.start} to ${this.end}: ${shown.join(' | ')}`;
  }

  /**
   * Reads what is new, or all of it.
   *
   * @returns what was seen before and is another or gone now, as a sentence each
   */
  async look(log: Log<Uint8Array>, isAll: boolean): Promise<string[]> {
    const look = await lookAt(log, isAll ? 0 : this.end, this.#identify);
    const problems: string[] = [];
    for (const batch of look.batches) {
      for (let offset = batch.baseOffset; offset < batch.nextOffset; offset++) {
        const id = look.ids.get(offset);
        if (id === undefined) continue;
        const known = this.records.get(offset);
        const isOther = known !== undefined && known.id !== id;
        if (isOther && isKept(known)) {
          problems.push(`${this.name} holds #${id} at ${offset}, and once #${known.id}`);
        }
        this.records.set(offset, { id, batch });
      }
    }
    for (const [offset, known] of this.records) {
      if (offset < look.to) continue;
      if (isKept(known)) problems.push(`${this.name} ends at ${look.to}, once with #${known.id}`);
      this.records.delete(offset);
    }
    this.start = look.startOffset;
    this.end = look.to;
    return problems;
  }
}

function batchOf({ batch }: SeenRecord): SeenBatch {
  return batch;
}

/** What was copied is seen when it is synced. */
function isKept({ batch }: SeenRecord): boolean {
  return batch.from !== null;
}

async function lookAt(log: Log<Uint8Array>, wanted: number, identify: Identify): Promise<Look> {
  for (;;) {
    try {
      const { startOffset, visibleOffset: to } = log;
      const from = Math.min(to, Math.max(wanted, startOffset));
      const batches = await batchesOf(log, from, to);
      const ids = new Map<number, number>();
      for await (const batch of log.batches({ from, to })) {
        for (const record of batch) ids.set(record.offset, identify(record));
      }
      return { startOffset, from, to, batches, ids };
    } catch (error) {
      if (!(error instanceof OffsetOutOfRangeError)) throw error; // Else retention was quicker.
    }
  }
}

async function batchesOf(log: Log<Uint8Array>, from: number, to: number): Promise<SeenBatch[]> {
  const source = log.source({ from, to }, 'reused');
  const seen: SeenBatch[] = [];
  try {
    while (await source.next()) {
      const { bytes, at, header } = source.batch;
      const { baseOffset, recordCount, topologyVersion: version } = header;
      const projected = projectedFrom(bytes, at, header);
      const offsets = Array.from({ length: recordCount }, (_, index) =>
        sourceOffsetOf(bytes, at, header, index),
      );
      const nextOffset = baseOffset + recordCount;
      const copied = projected === null ? null : { ...projected, offsets };
      seen.push({ baseOffset, nextOffset, version, from: copied });
    }
  } finally {
    source.close();
  }
  return seen;
}

const ID_CHARS = 8;

/** A value that carries its number, and some bytes more. */
export function valueOf(id: number, extraBytes: number): Uint8Array {
  return Buffer.from(String(id).padStart(ID_CHARS, '0') + '.'.repeat(extraBytes));
}

/** The number that a value carries. */
export function idOf(value: Uint8Array | null): number {
  return value === null ? -1 : Number(Buffer.from(value.subarray(0, ID_CHARS)).toString());
}
