/** An open log that is compacted when a test asks for it, and by nobody else. */
import { onTestFinished } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { ManualClock } from '../../src/core/clock.ts';
import { SeededRandom } from '../../src/core/random.ts';
import type { CompactedSegments } from '../../src/log/compaction-tally.ts';
import { ownHome } from '../../src/log/log-home.ts';
import { resolveLogOptions } from '../../src/log/log-options.ts';
import type { Log } from '../../src/log/log.ts';
import { openLogIn } from '../../src/log/open-log.ts';
import type { TrimGuard } from '../../src/log/trim-guard.ts';
import type { FaultyFileSystem } from './faulty-file-system.ts';
import { faultyDisk, LOG_PATH, type TextLogOptions } from './log-fixture.ts';

export const DOTS = '.'.repeat(80);
export const SLOT_BYTES = 12;

export interface CompactingOptions extends TextLogOptions {
  /** Of the map, where it is to be smaller than any option allows. */
  readonly mapSlots?: number;
  readonly guard?: TrimGuard;
}

export class Compacting {
  readonly clock: ManualClock;
  readonly fileSystem: FaultyFileSystem;
  readonly log: Log<string>;
  /** What was told. */
  readonly compacted: readonly CompactedSegments[];

  private constructor(parts: Pick<Compacting, 'clock' | 'fileSystem' | 'log' | 'compacted'>) {
    this.clock = parts.clock;
    this.fileSystem = parts.fileSystem;
    this.log = parts.log;
    this.compacted = parts.compacted;
  }

  static async open(
    { mapSlots, guard, ...options }: CompactingOptions = {},
    disk?: FaultyFileSystem,
  ): Promise<Compacting> {
    const fileSystem = disk ?? (await faultyDisk());
    const clock = new ManualClock();
    const settings = resolveLogOptions<string, string>({
      codec: utf8,
      clock,
      random: new SeededRandom(1),
      segmentBytesMax: 4096,
      compaction: 'key',
      ...options,
      fileSystem,
    });
    const { compactionMapBytesMax } = settings;
    const compacted: CompactedSegments[] = [];
    const events = {
      rolled: () => undefined,
      retained: () => undefined,
      compacted: (what: CompactedSegments) => void compacted.push(what),
      slowSync: () => undefined,
      failed: () => undefined,
    };
    const log = await openLogIn(
      LOG_PATH,
      {
        ...settings,
        compactionMapBytesMax:
          mapSlots === undefined ? compactionMapBytesMax : mapSlots * SLOT_BYTES,
      },
      { ...ownHome(settings), events, trimGuard: guard ?? null, compactsByItself: false },
    );
    onTestFinished(() => log.close().catch(() => undefined));
    return new Compacting({ clock, fileSystem, log, compacted });
  }

  /** Appends a record for each key, in one call. */
  async append(...keys: readonly (string | null)[]): Promise<void> {
    const value = DOTS;
    await this.log.appendBatch(keys.map((key) => ({ key, value })));
  }

  async delete(...keys: readonly string[]): Promise<void> {
    await this.log.appendBatch(keys.map((key) => ({ key, value: null })));
  }

  /** Appends records without keys until a segment begins. @returns where it begins */
  async roll(): Promise<number> {
    const { segments } = this.log.forStore();
    const { last } = segments;
    while (segments.last === last) await this.log.append({ value: DOTS });
    return segments.last?.baseOffset ?? 0;
  }

  async temporaries(): Promise<string[]> {
    return (await this.fileSystem.list(LOG_PATH)).filter((name) => name.endsWith('.tmp'));
  }
}

/** Offsets of the records with keys. */
export async function keyedOffsets(log: Log<string>): Promise<number[]> {
  const offsets: number[] = [];
  for await (const { key, offset } of log.records()) if (key !== null) offsets.push(offset);
  return offsets;
}
