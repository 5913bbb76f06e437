/**
 * Attempts survive the process: one record of 1,000 kills each process whose handler gets it, in
 * batches of 50, 8 at a time. It is caught after exactly so many crashes as the queue allows, and no
 * neighbour is blamed for one of them.
 */
import { spawn } from 'node:child_process';
import { cp, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { JOURNAL_DIRECTORY } from '../../src/format/file-names.ts';
import { CONTROL_FILE_NAME } from '../../src/io/control-place.ts';
import { openLog, openStore, utf8, type BrowsedRecord } from '../../src/index.ts';
import { entryOf, EntryRegistry } from '../../src/journal/entry-type.ts';
import { eachOffset } from '../../src/queue/offset-runs.ts';
import { leasesEnded, recordsAcquired } from '../../src/queue/share-entries.ts';
import { ENTRY_TYPES } from '../../src/store/store-state.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { DEAD_LETTERS, FAILURES_MAX, poisonedQueue, QUEUE } from './poisoned-queue.ts';

const CHILD = join(import.meta.dirname, '..', '..', 'dist', 'test', 'crash', 'poison-child.js');
const RECORD_COUNT = 1000;
/** The first has most neighbours in flight at each crash; before the other some are acknowledged. */
const POISONED_OFFSETS = [0, 333];
/** So many records at least are caught in a crash that another one caused. */
const NEIGHBOURS_MIN = 100;
/** So many crashes make a suspect. */
const CRASHES_BEFORE = 3;
const CRASHES_EXPECTED = FAILURES_MAX + CRASHES_BEFORE;
const ENTRIES = new EntryRegistry(ENTRY_TYPES);

/** What the child said before it looked at a record. */
interface Handed {
  readonly offset: number;
  readonly attempt: number;
  readonly failures: number;
  readonly expiries: number;
  readonly crashes: number;
}

interface Life {
  readonly handed: readonly Handed[];
  readonly signal: NodeJS.Signals | null;
}

const valueAt = (offset: number): string => `job ${offset}`;

/** One life of the process. No core file is written, wherever that would be. */
async function live(store: string, poisoned: number): Promise<Life> {
  const command = ['-c', 'ulimit -c 0; exec "$@"', 'sh', process.execPath, CHILD];
  const child = spawn('sh', [...command, store, valueAt(poisoned)], {
    cwd: dirname(store),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  let complaints = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaints += text));
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
    child.on('close', (...how) => resolve(how));
  });
  expect(code ?? signal, complaints).toBeOneOf([0, 'SIGABRT']);
  const handed = said
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Handed);
  return { handed, signal };
}

/** What a crash left behind, looked at in a copy: looking repairs it. */
async function lookAt(directory: string): Promise<{
  /** By offset. */
  readonly attempts: ReadonlyMap<number, number>;
  readonly failedCount: number;
  readonly unsettled: readonly BrowsedRecord<string>[];
}> {
  const copy = join(await temporaryDirectory(), 'store');
  await cp(directory, copy, {
    recursive: true,
    filter: (path) => !path.endsWith(CONTROL_FILE_NAME),
  });
  const store = await openStore(copy);
  const topic = await store.topic(QUEUE, { codec: utf8 });
  const unsettled: BrowsedRecord<string>[] = [];
  for await (const each of topic.browseShareGroup('queue')) unsettled.push(each);
  await store.close();
  const journal = await openLog(join(copy, JOURNAL_DIRECTORY), { readOnly: true });
  const attempts = new Map<number, number>();
  let failedCount = 0;
  for await (const { value } of journal.records()) {
    const entry = ENTRIES.decode(value ?? new Uint8Array());
    for (const { offsets } of entryOf(recordsAcquired, entry)?.parts ?? []) {
      eachOffset(offsets, (offset) => attempts.set(offset, (attempts.get(offset) ?? 0) + 1));
    }
    for (const { returned } of entryOf(leasesEnded, entry)?.parts ?? []) {
      failedCount += returned.filter(({ isFailed }) => isFailed).length;
    }
  }
  await journal.close();
  return { attempts, failedCount, unsettled };
}

test.each(POISONED_OFFSETS)(
  'record %i, which kills the process, is dead after exactly so many crashes, and only it',
  async (poisoned) => {
    const home = await temporaryDirectory();
    const directory = join(home, 'store');
    let store = await openStore(directory);
    await (
      await poisonedQueue(store, utf8)
    ).sendBatch(Array.from({ length: RECORD_COUNT }, (_, offset) => ({ value: valueAt(offset) })));
    await store.close();

    let crashCount = 0;
    /** By offset. */
    const handedCounts = new Map<number, number>();
    const caught: Handed[] = [];
    let caughtBeside = 0;
    for (;;) {
      const { handed, signal } = await live(directory, poisoned);
      for (const { offset, ...trials } of handed) {
        handedCounts.set(offset, (handedCounts.get(offset) ?? 0) + 1);
        if (offset === poisoned) caught.push({ offset, ...trials });
        else expect(trials, `of ${offset}`).toMatchObject({ failures: 0, expiries: 0 });
      }
      const { attempts, failedCount, unsettled } = await lookAt(directory);
      const unjournaled = handed.filter(({ offset, attempt }) => {
        const journaled = attempts.get(offset) ?? 0;
        return journaled < attempt || journaled < (handedCounts.get(offset) ?? 0);
      });
      expect(unjournaled).toEqual([]);
      caughtBeside = [...attempts.values()].filter((count) => count > 1).length - 1;
      // The poisoned record was the last that was handed over: the process ended at once.
      expect(attempts.get(poisoned)).toBe(caught.length);
      expect(failedCount).toBe(0);
      const blamed = unsettled.filter(({ failures }) => failures > 0);
      expect(blamed.every(({ offset }) => offset === poisoned)).toBe(true);
      if (signal === null) break;
      crashCount++;
      expect(handed.at(-1)?.offset).toBe(poisoned);
      expect(crashCount).toBeLessThanOrEqual(CRASHES_EXPECTED);
    }
    expect(crashCount).toBe(CRASHES_EXPECTED);
    const trialsSeen = caught.map(({ attempt, failures, crashes }) => [attempt, failures, crashes]);
    expect(trialsSeen).toEqual(
      Array.from({ length: CRASHES_EXPECTED }, (_, before) => [
        before + 1,
        Math.max(0, before - CRASHES_BEFORE),
        before,
      ]),
    );
    expect(handedCounts.size).toBe(RECORD_COUNT);
    // Else nothing is shown of neighbours.
    expect(caughtBeside).toBeGreaterThan(NEIGHBOURS_MIN);

    store = await openStore(directory);
    const queue = await poisonedQueue(store, utf8);
    expect(await queue.stats()).toMatchObject({
      unsettledCount: 0,
      deadCount: 0,
      settled: { acked: RECORD_COUNT - 1, crash: 1, failures: 0, 'lease-expired': 0, missing: 0 },
    });
    const letters = await store.queue(DEAD_LETTERS, { codec: utf8 });
    const [letter, ...others] = await letters.acquire({ max: 10 });
    expect(others).toEqual([]);
    expect(letter?.value).toBe(valueAt(poisoned));
    const headers = [...(letter?.headers ?? [])].map(([name, bytes]) => [
      name,
      Buffer.from(bytes).toString('utf8'),
    ]);
    expect(Object.fromEntries(headers)).toMatchObject({
      'varve-death-reason': 'crash',
      'varve-death-offset': String(poisoned),
      'varve-death-attempts': String(CRASHES_EXPECTED),
      'varve-death-failures': String(FAILURES_MAX),
      'varve-death-crashes': String(CRASHES_EXPECTED),
    });
    await store.close();
    expect(await readdir(home)).toEqual(['store']); // No core file.
  },
);
