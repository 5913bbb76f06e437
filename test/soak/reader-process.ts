/**
 * A reader of the soak: checks every record that it sees until it is told to stop, then prints what
 * it did and what was wrong as one line of JSON.
 *
 * `node dist/test/soak/reader-process.js DIRECTORY KIND RECORDS LOOKS`; says `enough` when it has
 * checked so many records in so many looks. A line with an offset on stdin ends it, a follower once
 * it has read that far.
 */
import { createInterface } from 'node:readline';
import { setImmediate as turn } from 'node:timers/promises';
import {
  CorruptLogError,
  openLog,
  OffsetOutOfRangeError,
  SeededRandom,
  utf8,
  type Log,
} from '../../src/index.ts';
import { randomBelow } from '../../src/core/random.ts';
import { verifyLog } from '../../src/log/verify.ts';
import { recordAt } from '../support/numbered-record.ts';

/** What the test reads from stdout. */
export interface ReaderReport {
  readonly kind: string;
  /** Records that were checked. */
  readonly records: number;
  /** Looks at the log: scans, point reads, searches by time. */
  readonly looks: number;
  /** Times that retention overtook a read. */
  readonly overtaken: number;
  readonly problems: readonly string[];
}

const [directory = '', kind = 'follow', ...least] = process.argv.slice(2);
const [recordsMin = 0, looksMin = 0] = least.map(Number);
let hasEnough = false;
const problems: string[] = [];
const tally = { records: 0, looks: 0, overtaken: 0 };
let stopAt: number | null = null;
const stop = new AbortController();
/** What any handle here knew to be durable. */
let durable = 0;
const random = new SeededRandom(process.pid);

createInterface({ input: process.stdin }).once('line', (line) => {
  stopAt = Number(line);
  if (kind !== 'follow' || expected >= stopAt) stop.abort();
});

function problem(text: string): void {
  if (problems.length < 20) problems.push(text);
}

/** What stands at `offset` must be what belongs there. */
function check(offset: number, found: { value: string | null; key: string | null }): void {
  const { value, key } = recordAt(offset);
  if (found.value !== value || found.key !== key) {
    problem(`offset ${offset} holds ${String(found.value).slice(0, 40)}`);
  }
  tally.records++;
  noteEnough();
}

/** The test lets the writers go on until every reader has seen so much beside them. */
function noteEnough(): void {
  if (hasEnough || tally.records < recordsMin || tally.looks < looksMin) return;
  hasEnough = true;
  process.stdout.write('enough\n');
}

/** Runs one look; that retention was faster is no problem, when the log says so. */
async function look(log: Log<string>, from: number, action: () => Promise<void>): Promise<void> {
  tally.looks++;
  try {
    await action();
  } catch (error) {
    if (stop.signal.aborted) return;
    if (error instanceof OffsetOutOfRangeError && log.startOffset > from) tally.overtaken++;
    else problem(error instanceof Error ? `${error.name}: ${error.message}` : String(error));
  }
}

function noteVisible(log: Log<string>): void {
  const { visibleOffset, startOffset, durableOffset } = log;
  if (visibleOffset < durable) problem(`visible ${visibleOffset}, durable was ${durable}`);
  if (startOffset > visibleOffset) problem(`start ${startOffset} above ${visibleOffset}`);
  durable = Math.max(durable, durableOffset);
}

/** Offset that a follower reads next. */
let expected = 0;

async function follow(log: Log<string>): Promise<void> {
  expected = Math.max(expected, log.startOffset);
  const { signal } = stop;
  await look(log, expected, async () => {
    for await (const batch of log.batches({ from: expected, follow: true, signal })) {
      for (const record of batch) {
        if (record.offset !== expected) problem(`${record.offset} follows ${expected - 1}`);
        check(record.offset, record);
        expected = record.offset + 1;
      }
      if (stopAt !== null && expected >= stopAt) return stop.abort();
    }
  });
}

async function scan(): Promise<void> {
  const log = await openLog(directory, { codec: utf8, readOnly: true });
  noteVisible(log);
  const { startOffset } = log;
  let next: number | null = null; // The read may begin later: the start moved since.
  await look(log, startOffset, async () => {
    for await (const record of log.records({ signal: stop.signal })) {
      const { offset } = record;
      if (offset < startOffset || (next !== null && offset !== next)) {
        problem(`scan found ${offset}, not ${next ?? startOffset}`);
      }
      check(offset, record);
      next = offset + 1;
    }
  });
  await log.close();
}

async function point(log: Log<string>): Promise<void> {
  await log.refresh();
  noteVisible(log);
  const { startOffset, visibleOffset } = log;
  if (startOffset === visibleOffset) return;
  const offset = startOffset + randomBelow(random, visibleOffset - startOffset);
  await look(log, offset, async () => {
    const record = await log.read(offset);
    if (record === null) problem(`offset ${offset} holds nothing`);
    else check(offset, record);
  });
}

/** `verify` beside the writer: no damage, and no error but that of a file which retention took. */
async function verify(): Promise<void> {
  tally.looks++;
  for await (const event of verifyLog(directory)) {
    if (event.type === 'damage') problem(new CorruptLogError(event.details).message);
    else if (event.type === 'segment') tally.records += event.recordCount;
    noteEnough();
  }
}

async function byTime(log: Log<string>): Promise<void> {
  await log.refresh();
  const { startOffset, visibleOffset } = log;
  const wanted = startOffset + randomBelow(random, visibleOffset - startOffset + 1);
  const timestamp = recordAt(wanted).createTimeMs ?? 0;
  await look(log, wanted, async () => {
    let next = wanted;
    for await (const record of log.records({ from: { timestamp }, limit: 30 })) {
      const isLater = next === wanted && record.offset === log.startOffset;
      if (record.offset !== next && !isLater) problem(`by time ${record.offset}, not ${next}`);
      check(record.offset, record);
      next = record.offset + 1;
    }
  });
}

const log = await openLog(directory, { codec: utf8, readOnly: true, pollMs: 5 });
const steps = {
  follow: () => follow(log),
  scan,
  point: () => point(log),
  time: () => byTime(log),
  verify,
};
const step = steps[kind as keyof typeof steps];
while (!stop.signal.aborted) {
  await step();
  await turn(); // Lets the line on stdin in.
}
await log.close();
const report: ReaderReport = { kind, ...tally, problems };
process.stdout.write(`${JSON.stringify(report)}\n`);
process.exit(0);
