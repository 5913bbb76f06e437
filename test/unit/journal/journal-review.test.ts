/** What a review found in the journal: bytes of entries, and when snapshot runs begin. */
import { describe, expect, onTestFinished, test } from 'vitest';

import { bytes } from '../../../src/codec/codec.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { MIB } from '../../../src/core/limits.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import { BadEntryError } from '../../../src/journal/entry-bytes.ts';
import {
  bytes as bytesField,
  choice,
  struct,
  text,
  uint,
} from '../../../src/journal/entry-fields.ts';
import { EntryRegistry, entryType } from '../../../src/journal/entry-type.ts';
import { Fold, sets, type Reducer } from '../../../src/journal/fold.ts';
import { ENTRY_BYTES_MAX, Journal } from '../../../src/journal/journal.ts';
import { runBegin, runEnd, runPart } from '../../../src/journal/snapshot-entries.ts';
import { JOURNAL_RETENTION, SnapshotRuns } from '../../../src/journal/snapshot-run.ts';
import { ownHome } from '../../../src/log/log-home.ts';
import { resolveLogOptions } from '../../../src/log/log-options.ts';
import { openLogIn } from '../../../src/log/open-log.ts';

const named = entryType({ kind: 100, name: 'named', fields: { name: text, count: uint } });
const chosen = entryType({ kind: 101, name: 'chosen', fields: { which: choice(['a', 'b']) } });
const grown = entryType({ kind: 102, name: 'grown', fields: { data: bytesField } });
/** Changes nothing. */
const padding = entryType({ kind: 103, name: 'padding', fields: { data: bytesField } });
const TYPES = [named, chosen, grown, padding, runBegin, runPart, runEnd];

const sizeState = struct({ sum: uint, data: bytesField });
/** Grows with each entry, up to many MiB. */
const sizes: Reducer<{ sum: number; data: Uint8Array }> = {
  name: 'size',
  state: sizeState,
  rules: [
    sets(grown, {
      id: () => 'all',
      set: (state, { data }) => ({
        sum: (state?.sum ?? 0) + data.length,
        data: Buffer.concat([state?.data ?? new Uint8Array(), data]),
      }),
    }),
  ],
};

describe('entries', () => {
  test('one that cannot be encoded leaves nothing behind for the next one', () => {
    const registry = new EntryRegistry(TYPES);
    expect(() => registry.encode(named, { name: 'x', count: -1 })).toThrow('unsigned');
    const entry = registry.decode(registry.encode(named, { name: 'y', count: 1 }));
    expect(entry.value).toEqual({ name: 'y', count: 1 });
  });

  test('no name stands for a choice that there is not', () => {
    const registry = new EntryRegistry(TYPES);
    expect(() => registry.encode(chosen, { which: 'c' as never })).toThrow('one of a, b');
  });

  test('a text that is no UTF-8 is refused: two of them would be read as the same', () => {
    const registry = new EntryRegistry(TYPES);
    const good = registry.encode(named, { name: 'x', count: 0 });
    const bad = good.with(good.indexOf(0x78), 0xff);
    expect(() => registry.decode(bad)).toThrow(BadEntryError);
  });
});

class Disk {
  readonly fileSystem = new MemoryFileSystem();
  readonly clock = new ManualClock();
  readonly random = new SeededRandom(1);

  async open(types = TYPES, queuedBytesMax = 64 * MIB) {
    const { fileSystem, clock, random } = this;
    const fold = new Fold([sizes]);
    const journal = new Journal({ registry: new EntryRegistry(types), fold });
    const settings = resolveLogOptions({
      fileSystem,
      clock,
      random,
      codec: bytes,
      queuedBytesMax,
      recordBytesMax: ENTRY_BYTES_MAX,
    });
    const log = await openLogIn('/journal', settings, { ...ownHome(settings), observer: journal });
    onTestFinished(() => log.close());
    await journal.load(log);
    const retention = JOURNAL_RETENTION;
    const settleCommits = () => Promise.resolve();
    const runs = new SnapshotRuns({ journal, fold, clock, random, retention, settleCommits });
    return { fold, journal, runs, log };
  }
}

describe('snapshot runs', () => {
  test('begin also in a store that is closed before the journal has grown enough', async () => {
    const disk = new Disk();
    for (let opening = 0; opening < 7; opening++) {
      const { journal, runs } = await disk.open();
      journal.watch(() => runs.poke());
      await journal.append(padding, { data: new Uint8Array(10 * MIB) }, 'os');
      await runs.idle();
      await journal.close();
    }
    const { journal } = await disk.open();
    expect(journal.runBeginOffsets).toHaveLength(1);
  });

  test('a state larger than what may wait is written nevertheless', async () => {
    const disk = new Disk();
    const { journal, runs, fold } = await disk.open(TYPES, 16 * MIB);
    for (let count = 0; count < 24; count++) {
      await journal.append(grown, { data: new Uint8Array(MIB) }, 'sync');
    }
    await runs.run();
    await journal.close();
    const again = await disk.open();
    expect(again.journal.runBeginOffsets).toHaveLength(1);
    expect(again.fold.hash()).toBe(fold.hash());
  });
});
