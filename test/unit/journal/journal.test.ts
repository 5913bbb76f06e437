/** The journal: entries applied when they are written, in order, and found again from a run. */
import { describe, expect, onTestFinished, test } from 'vitest';

import { bytes } from '../../../src/codec/codec.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import { commitEntry } from '../../../src/journal/commit-entry.ts';
import { EntryRegistry, entryType } from '../../../src/journal/entry-type.ts';
import { bytes as bytesField, struct, text, uint } from '../../../src/journal/entry-fields.ts';
import { begins, changes, ends, Fold, type Reducer } from '../../../src/journal/fold.ts';
import { change, ENTRY_BYTES_MAX, Journal } from '../../../src/journal/journal.ts';
import { runBegin, runEnd, runPart } from '../../../src/journal/snapshot-entries.ts';
import { JOURNAL_RETENTION, SnapshotRuns } from '../../../src/journal/snapshot-run.ts';
import { ownHome } from '../../../src/log/log-home.ts';
import { resolveLogOptions } from '../../../src/log/log-options.ts';
import { openLogIn } from '../../../src/log/open-log.ts';
import { turns } from '../../support/log-fixture.ts';

const opened = entryType({ kind: 100, name: 'opened', fields: { name: text, data: bytesField } });
const added = entryType({ kind: 101, name: 'added', fields: { name: text, amount: uint } });
const closed = entryType({ kind: 102, name: 'closed', fields: { name: text } });

const accountState = struct({ sum: uint, count: uint, data: bytesField });
type Account = { sum: number; count: number; data: Uint8Array };

const accounts: Reducer<Account> = {
  name: 'account',
  state: accountState,
  rules: [
    begins(opened, { id: ({ name }) => name, begin: ({ data }) => ({ sum: 0, count: 0, data }) }),
    changes(added, {
      id: ({ name }) => name,
      apply: (state: Account, { amount }) => ({
        ...state,
        sum: state.sum + amount,
        count: state.count + 1,
      }),
    }),
    ends(closed, { id: ({ name }) => name }),
  ],
};

interface Bench {
  readonly fold: Fold;
  readonly journal: Journal;
  readonly runs: SnapshotRuns;
}

const NOTHING = new Uint8Array();

class Disk {
  readonly fileSystem = new MemoryFileSystem();
  readonly clock = new ManualClock();
  readonly random = new SeededRandom(1);
  /** Until when logs have not synced what commits brought. */
  settling = Promise.resolve();

  async open(): Promise<Bench> {
    const { fileSystem, clock, random } = this;
    const fold = new Fold([accounts]);
    const types = [commitEntry, opened, added, closed, runBegin, runPart, runEnd];
    const journal = new Journal({ registry: new EntryRegistry(types), fold });
    const settings = resolveLogOptions({
      fileSystem,
      clock,
      random,
      codec: bytes,
      recordBytesMax: ENTRY_BYTES_MAX,
      segmentBytesMax: 4096,
    });
    const log = await openLogIn('/journal', settings, { ...ownHome(settings), observer: journal });
    await journal.load(log);
    onTestFinished(() => journal.close());
    const retention = JOURNAL_RETENTION;
    const settleCommits = () => this.settling;
    const shared = { journal, fold, clock, random, retention, settleCommits };
    return { fold, journal, runs: new SnapshotRuns(shared) };
  }
}

describe('Journal', () => {
  test('applies an entry before its caller hears of it, and folds the same when it is opened', async () => {
    const disk = new Disk();
    const { fold, journal } = await disk.open();
    await journal.append(opened, { name: 'a', data: NOTHING }, 'sync');
    expect(fold.get(accounts, 'a')).toEqual({ sum: 0, count: 0, data: NOTHING });
    const appended = [1, 2, 3].map((amount) => journal.append(added, { name: 'a', amount }, 'os'));
    expect(fold.get(accounts, 'a')?.sum).toBe(0); // Not decided yet: a full disk may refuse them.
    await Promise.all(appended);
    expect(fold.get(accounts, 'a')).toMatchObject({ sum: 6, count: 3 });
    expect(journal.appliedOffset).toBe(4);
    await journal.close();
    const again = await disk.open();
    expect(again.fold.hash()).toBe(fold.hash());
  });

  test('an entry that does not fit the state is refused, counted, and ignored for ever', async () => {
    const disk = new Disk();
    const { fold, journal } = await disk.open();
    await expect(journal.append(closed, { name: 'x' }, 'sync')).rejects.toMatchObject({
      code: 'ERR_VARVE_CONFLICT',
      message: expect.stringContaining('account x is not there') as string,
    });
    await journal.append(opened, { name: 'a', data: NOTHING }, 'sync');
    await expect(journal.append(opened, { name: 'a', data: NOTHING }, 'os')).rejects.toThrow(
      'account a is there already',
    );
    const misfit = { offset: 0, kind: 'closed', reason: 'account x is not there' };
    expect(journal.misfits).toMatchObject({ count: 2, first: misfit });
    await journal.close();
    const again = await disk.open();
    expect(again.fold.hash()).toBe(fold.hash());
    expect(again.journal.misfits).toMatchObject({ count: 2, first: misfit });
  });

  test('changes of a commit that do not fit are named, the others stand', async () => {
    const disk = new Disk();
    const { fold, journal } = await disk.open();
    const some = [
      change(opened, { name: 'a', data: NOTHING }),
      change(closed, { name: 'x' }),
      change(added, { name: 'a', amount: 3 }),
    ];
    const misfits = await journal.commit(
      some.map((each) => journal.encode(each)),
      [],
    );
    expect([...misfits]).toMatchObject([[1, { kind: 'closed' }]]);
    expect([
      ...(await journal.commit([journal.encode(change(closed, { name: 'y' }))], [])),
    ]).toMatchObject([[0, { reason: 'account y is not there' }]]);
    expect(fold.get(accounts, 'a')).toMatchObject({ sum: 3 });
    await journal.close();
    const again = await disk.open();
    expect(again.fold.hash()).toBe(fold.hash());
    expect(again.journal.misfits.count).toBe(2);
  });
});

describe('snapshot runs', () => {
  test('a run holds everything, and entries go on meanwhile', async () => {
    const disk = new Disk();
    const { fold, journal, runs } = await disk.open();
    for (const name of ['a', 'b', 'c']) {
      await journal.append(opened, { name, data: new Uint8Array(300_000) }, 'os');
    }
    const running = runs.run();
    const live = [
      journal.append(added, { name: 'c', amount: 5 }, 'os'),
      journal.append(closed, { name: 'b' }, 'os'),
      journal.append(opened, { name: 'd', data: NOTHING }, 'os'),
    ];
    await Promise.all([running, ...live]);
    await journal.append(added, { name: 'a', amount: 1 }, 'sync');
    await journal.close();
    const again = await disk.open();
    expect(again.fold.hash()).toBe(fold.hash());
    expect(again.fold.ids(accounts).toSorted()).toEqual(['a', 'c', 'd']);
    expect(again.journal.runBeginOffsets).toHaveLength(1);
  });

  test('a state above 1 MiB travels in pieces', async () => {
    const disk = new Disk();
    const { fold, journal, runs } = await disk.open();
    const data = Uint8Array.from({ length: 2.5 * 2 ** 20 }, (_, at) => at % 251);
    await journal.append(opened, { name: 'large', data }, 'os');
    await runs.run();
    await journal.close();
    const again = await disk.open();
    expect(again.fold.hash()).toBe(fold.hash());
    // Byte by byte: `toEqual` would take twenty seconds.
    expect(Buffer.compare(again.fold.get(accounts, 'large')?.data ?? NOTHING, data)).toBe(0);
  });

  test('a run without an end counts for nothing', async () => {
    const disk = new Disk();
    const { fold, journal, runs } = await disk.open();
    await journal.append(opened, { name: 'a', data: NOTHING }, 'os');
    await runs.run();
    await journal.append(added, { name: 'a', amount: 7 }, 'os');
    const run = 4711;
    await journal.append(runBegin, { run }, 'os');
    const state = new Uint8Array([99, 1, 0]);
    const part = { run, reducer: 'account', id: 'a', from: 9, state, isLast: true };
    await journal.append(runPart, part, 'sync');
    await journal.close();
    const again = await disk.open();
    expect(again.fold.hash()).toBe(fold.hash());
    expect(again.journal.runBeginOffsets).toHaveLength(1);
  });

  test.each([
    ['lacks a piece', 2, 'account'],
    ['has a piece that nobody can read', 1, 'unknown'],
  ])('in place of a run that %s, the one before is read', async (_what, pieceCount, reducer) => {
    const disk = new Disk();
    const { fold, journal, runs } = await disk.open();
    await journal.append(opened, { name: 'a', data: NOTHING }, 'os');
    await runs.run();
    const runBeginOffset = 1;
    await journal.append(added, { name: 'a', amount: 7 }, 'os');
    const run = 4711;
    const beginOffset = await journal.append(runBegin, { run }, 'os');
    const state = new Uint8Array([99, 1, 0]);
    await journal.append(runPart, { run, reducer, id: 'a', from: 9, state, isLast: true }, 'os');
    await journal.append(added, { name: 'a', amount: 8 }, 'os');
    await journal.append(runEnd, { run, beginOffset, pieceCount }, 'sync');
    await journal.append(added, { name: 'a', amount: 9 }, 'sync');
    await journal.close();
    const again = await disk.open();
    expect(again.fold.hash()).toBe(fold.hash());
    expect(again.fold.get(accounts, 'a')?.sum).toBe(24);
    expect(again.journal.runBeginOffsets).toEqual([runBeginOffset]); // Kept: the next run has no other.
    expect(again.journal.damage).toBeNull();
  });

  test('what two runs and a day do not need goes', async () => {
    const disk = new Disk();
    const { fold, journal, runs } = await disk.open();
    await journal.append(opened, { name: 'a', data: NOTHING }, 'os');
    for (let at = 0; at < 200; at++) await journal.append(added, { name: 'a', amount: at }, 'os');
    await runs.run();
    disk.clock.advance(25 * 60 * 60 * 1000);
    expect(journal.stats().startOffset).toBe(0);
    const secondBegin = journal.appliedOffset;
    await runs.run();
    expect(journal.stats().startOffset).toBeLessThan(secondBegin);
    const before = journal.stats().startOffset;
    disk.clock.advance(25 * 60 * 60 * 1000);
    await runs.run();
    expect(journal.stats().startOffset).toBe(secondBegin);
    expect(before).toBeLessThan(secondBegin);
    await journal.close();
    const again = await disk.open();
    expect(again.fold.hash()).toBe(fold.hash());
  });

  test('what two runs do not need goes at once when the disk is full', async () => {
    const disk = new Disk();
    const { fold, journal, runs } = await disk.open();
    await journal.append(opened, { name: 'a', data: NOTHING }, 'os');
    for (let at = 0; at < 200; at++) await journal.append(added, { name: 'a', amount: at }, 'os');
    const firstBegin = journal.appliedOffset;
    await runs.run();
    await runs.giveUpHistory();
    expect(journal.stats().startOffset).toBe(0); // Should that run be damaged, all of it is needed.
    await runs.run();
    expect(journal.stats().startOffset).toBe(0); // A day is kept.
    const { sizeBytes } = journal;
    await runs.giveUpHistory();
    expect(journal.stats().startOffset).toBe(firstBegin);
    expect(journal.sizeBytes).toBeLessThan(sizeBytes / 2);
    await journal.close();
    const again = await disk.open();
    expect(again.fold.hash()).toBe(fold.hash());
  });

  test('it goes on a full disk while another run waits for a log that has no room', async () => {
    const disk = new Disk();
    const { journal, runs } = await disk.open();
    await journal.append(opened, { name: 'a', data: NOTHING }, 'os');
    for (let at = 0; at < 200; at++) await journal.append(added, { name: 'a', amount: at }, 'os');
    const firstBegin = journal.appliedOffset;
    for (let count = 0; count < 2; count++) await runs.run();
    let settle: () => void = () => undefined;
    disk.settling = new Promise((resolve) => (settle = resolve));
    const run = runs.run();
    const done = runs.giveUpHistory().then(() => journal.stats().startOffset);
    expect(await Promise.race([done, turns(20)])).toBe(firstBegin);
    settle();
    await run;
  });

  test('every prefix of a history with runs folds to what it was live', async () => {
    const random = new SeededRandom(7);
    const below = (bound: number) => Math.floor(random.next() * bound);
    const disk = new Disk();
    let { fold, journal, runs } = await disk.open();
    const alive = new Set<string>();
    for (let step = 0; step < 120; step++) {
      const name = `n${below(6)}`;
      if (!alive.has(name)) {
        alive.add(name);
        await journal.append(opened, { name, data: NOTHING }, 'os');
      } else if (below(5) === 0) {
        alive.delete(name);
        await journal.append(closed, { name }, 'os');
      } else await journal.append(added, { name, amount: below(100) }, 'os');
      if (below(12) === 0) await runs.run();
      const hash = fold.hash();
      await journal.close();
      ({ fold, journal, runs } = await disk.open());
      expect(fold.hash()).toBe(hash);
    }
  });
});
