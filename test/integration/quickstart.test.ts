import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { distPath, runProgram } from '../support/run-cli.ts';
import type { CliResult } from '../support/run-cli.ts';

const FLIGHT_COUNT = 3000;
const root = join(import.meta.dirname, '..', '..');
const directories: string[] = [];

/** One whole run, which several tests look at. */
let whole: CliResult;

beforeAll(async () => {
  whole = await quickstart('--flights', String(FLIGHT_COUNT), '--seed', '7');
});

afterAll(async () => {
  for (const directory of directories.splice(0)) {
    await rm(join(root, directory), { recursive: true, force: true });
  }
});

interface Row {
  readonly timeMs: number;
  readonly day: string;
  readonly delay: number;
  readonly distance: number;
  readonly origin: string;
  readonly destination: string;
}

const WEEK_MS = 7 * 24 * 3_600_000;

/** The flights of the file: `YYYY/MM/DD HH:MM,delay,distance,origin,destination`. */
function csvRows(): Row[] {
  const path = join(root, 'tools', 'quickstart', 'flights.csv.gz');
  const [, ...lines] = gunzipSync(readFileSync(path)).toString('utf8').trimEnd().split('\n');
  return lines.slice(0, FLIGHT_COUNT).map((line) => {
    const [date = '', delay = '', distance = '', origin = '', destination = ''] = line.split(',');
    const day = date.slice(0, 10).replaceAll('/', '-');
    const timeMs = Date.parse(`${day}T${date.slice(11)}Z`);
    return { timeMs, day, delay: Number(delay), distance: Number(distance), origin, destination };
  });
}

/** Adds up per key. */
function totals<R>(rows: readonly R[], pairOf: (row: R) => [string, number]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const [key, amount] of rows.map(pairOf)) sums.set(key, (sums.get(key) ?? 0) + amount);
  return sums;
}

/** The line of a group says what the file says. */
function expectTotals(stdout: string, group: string, expected: ReadonlyMap<string, number>): void {
  const line = new RegExp(
    String.raw`^${group}: (.*) \(\w+ (.*), \w+ (.*), \w+ (.*), \.\.\.\), right for (.*) of (.*) airports, lag (.*)$`,
    'm',
  );
  const sorted = [...expected.values()].toSorted((one, two) => two - one);
  const sum = sorted.reduce((one, two) => one + two);
  const airportCount = expected.size;
  const numbers = [sum, ...sorted.slice(0, 3), airportCount, airportCount, 0];
  expect(numbersOf(stdout, line)).toEqual(numbers);
}

/** The numbers of the line that matches, in the order of its groups. */
function numbersOf(stdout: string, line: RegExp): number[] {
  const match = line.exec(stdout);
  expect(match, `${stdout}\n has no line ${String(line)}`).not.toBeNull();
  return (match ?? []).slice(1).map((text) => Number(text.replaceAll(',', '')));
}

/** Runs `npm start` without its build, and remembers the logs it leaves. */
async function quickstart(...args: string[]): Promise<CliResult> {
  const result = await runProgram(distPath('tools', 'quickstart', 'quickstart.js'), args);
  for (const [, directory = ''] of result.stdout.matchAll(/^writing to (\S+),/gm)) {
    directories.push(directory);
  }
  return result;
}

test('the quickstart loses nothing that was acknowledged, resumes and reads back', () => {
  const { exitCode, stdout, stderr } = whole;
  expect(stderr).toBe('');
  expect(stdout).toContain('3,000 flights, seed 7');
  expect(stdout).toMatch(/killed after .*: [\d,]+ acknowledged/);
  const match = /^acked ([\d,]+), found ([\d,]+), lost 0, unacknowledged but kept ([\d,]+)$/m.exec(
    stdout,
  );
  const [acked = 0, found = 0, kept = 0] = (match ?? [])
    .slice(1)
    .map((text) => Number(text.replace(',', '')));
  expect(acked).toBeGreaterThanOrEqual(750);
  expect(found).toBe(acked + kept);
  expect(stdout).toContain('all 3,000 records as appended');
  expect(stdout).toMatch(/^recovery .* checkpoint kept/m);
  expect(stdout).not.toContain('\u001B'); // Plain lines in a pipe.
  expect(exitCode).toBe(0);
});

test('two groups add up what the file adds up to', () => {
  const rows = csvRows();
  const { stdout } = whole;
  const [count, ...sizes] = numbersOf(
    stdout,
    /^([\d,]+) flights appended in .*: (.*) \+ (.*) \+ (.*) \+ (.*)$/m,
  );
  expect(count).toBe(rows.length);
  expect(sizes.reduce((sum, size) => sum + size)).toBe(rows.length);
  expectTotals(
    stdout,
    'departures',
    totals(rows, ({ origin }) => [origin, 1]),
  );
  expectTotals(
    stdout,
    'delays',
    totals(rows, ({ origin, delay }) => [origin, delay]),
  );
});

test('a member that is killed and resumed loses nothing, and repeats what is past its commits', () => {
  const { stdout } = whole;
  const [read = 0, committed = 0] = numbersOf(
    stdout,
    /^killed after .*: read ([\d,]+), committed ([\d,]+)$/m,
  );
  const [readOn, ...found] = numbersOf(
    stdout,
    /^read ([\d,]+): before a commit (.*), again (.*) of the (.*) past it, lost (.*), commits lost (.*)$/m,
  );
  expect(committed).toBeGreaterThan(0);
  expect(read).toBeGreaterThan(committed);
  expect(readOn).toBe(FLIGHT_COUNT - committed);
  expect(found).toEqual([0, read - committed, read - committed, 0, 0]);
});

test('one day of one airport is replayed by time, as the file has it', () => {
  const rows = csvRows();
  const { stdout } = whole;
  const [, airport = '', date = ''] = /^replaying (\w+) on (\S+), from/m.exec(stdout) ?? [];
  const [timestamp] = numbersOf(stdout, /^replaying .*, from \{ timestamp: (\d+) \}/m);
  const [flightCount, recordCount] = numbersOf(
    stdout,
    /^(\d+) flights, all as appended, among ([\d,]+) records from offset/m,
  );
  expect(timestamp).toBe(Date.parse(`${date}T00:00:00Z`));
  const days = totals(rows, ({ origin, day }) => [`${origin} ${day}`, 1]);
  expect(flightCount).toBe(days.get(`${airport} ${date}`));
  expect(flightCount).toBe(Math.max(...days.values()));
  // One partition of four, and no other day.
  expect(recordCount).toBeLessThan(rows.filter(({ day }) => day === date).length);
});

test('a queue of late flights loses none, and its counters are what the file says', () => {
  const late = csvRows().filter(({ delay }) => delay > 30);
  const [worst] = late.toSorted((one, two) => two.delay - one.delay);
  const hopelessCount = late.filter(({ delay }) => delay > 180).length - 1;
  const { stdout } = whole;
  const flightCount = late.length;
  expect(hopelessCount).toBeGreaterThan(0);
  expect(
    numbersOf(stdout, /^(.*) flights more than 30 minutes late sent to queue late in /m),
  ).toEqual([flightCount]);
  expect(stdout).toContain(
    `\nflight from ${worst?.origin} to ${worst?.destination}, ${worst?.delay} minutes late, kills the process ...`,
  );
  const [killed, threw = 0, handled, again, lost] = numbersOf(
    stdout,
    /^killed (.*) times, done after .*: threw (.*) times, handled (.*), again after a kill (.*), lost (.*)$/m,
  );
  expect([killed, handled, lost]).toEqual([6, flightCount - hopelessCount - 1, 0]);
  expect(threw).toBeGreaterThanOrEqual(3 * hopelessCount);
  const shares = numbersOf(
    stdout,
    /^handled by each worker: (.*) \+ (.*) \+ (.*) \+ (.*) \+ (.*) \+ (.*) \+ (.*) \+ (.*)$/m,
  );
  expect(shares.reduce((sum, share) => sum + share)).toBe((handled ?? 0) + (again ?? 0));
  expect(numbersOf(stdout, /^failures +(\d+) +\d+ {2}Error: more than 180 minutes late/m)).toEqual([
    hopelessCount,
  ]);
  expect(numbersOf(stdout, /^crash +(\d+) +(\d+)$/m)).toEqual([1, 6]);
  expect(
    numbersOf(stdout, /^redrive, as a dry run: (.*) would go back, (.*) would stay$/m),
  ).toEqual([hopelessCount, 1]);
  expect(numbersOf(stdout, /^handled (.*) of (.*) in /m)).toEqual([hopelessCount, hopelessCount]);
  const counters: readonly [string, number][] = [
    ['acknowledged', flightCount - 1],
    ['dead, of failures', hopelessCount],
    ['dead, of crashes', 1],
    ['anything else', 0],
    ['sent and redriven', flightCount + hopelessCount],
    ['redriven from late.dead', hopelessCount],
    ['left in late.dead', 1],
  ];
  for (const [name, count] of counters) {
    const line = new RegExp(String.raw`^${name} +([\d,]+) +([\d,]+)$`, 'm');
    expect(numbersOf(stdout, line), name).toEqual([count, count]);
  }
  expect(numbersOf(stdout, /^(.*) flights in, (.*) handled \+ 1 dead: exact$/m)).toEqual([
    flightCount,
    flightCount - 1,
  ]);
});

test('queues get the flights that the file has for them, also one that was bound later', () => {
  const rows = csvRows();
  const { stdout } = whole;
  const half = rows.length / 2;
  expect(
    numbersOf(stdout, /^(.*) flights published in .*; closing the store, whatever is copied/m),
  ).toEqual([half]);
  expect(numbersOf(stdout, /^opened again: (.*) flights more published in /m)).toEqual([half]);
  const [past = 0] = numbersOf(
    stdout,
    /^queue to-DFW bound from earliest, so that it gets those before flight (.*), too$/m,
  );
  expect(past).toBeGreaterThanOrEqual(half);
  const wanted: readonly [queue: string, count: number][] = [
    ['every-flight', rows.length],
    ['from-ORD', rows.filter(({ origin }) => origin === 'ORD').length],
    ['to-LAX', rows.filter(({ destination }) => destination === 'LAX').length],
    ['late-and-long', rows.filter(({ delay, distance }) => delay > 30 && distance > 1000).length],
    ['to-DFW', rows.filter(({ destination }) => destination === 'DFW').length],
  ];
  for (const [queue, count] of wanted) {
    expect(count, queue).toBeGreaterThan(0);
    const line = new RegExp(
      String.raw`^${queue} .* {2,}([\d,]+) +([\d,]+) +(\d+) +(\d+) +(\d+) +(\d+)$`,
      'm',
    );
    expect(numbersOf(stdout, line), queue).toEqual([count, count, 0, 0, 0, 0]);
  }
  const copyCount = wanted.reduce((sum, [, count]) => sum + count, 0);
  expect(numbersOf(stdout, /^(.*) flights published, (.*) copies in 5 queues: exact$/m)).toEqual([
    rows.length,
    copyCount,
  ]);
});

test('a compaction that is killed goes on, and leaves the last flight to each airport', () => {
  const rows = csvRows();
  const { stdout } = whole;
  const lastWeekMs = (rows.at(-1)?.timeMs ?? 0) - WEEK_MS;
  const airports = new Set(rows.map(({ destination }) => destination));
  const open = new Set(
    rows.filter(({ timeMs }) => timeMs >= lastWeekMs).map(({ destination }) => destination),
  );
  const closedCount = airports.size - open.size;
  expect(closedCount).toBeGreaterThan(0);
  expect(numbersOf(stdout, /^(.*) flights and (.*) deletions appended in /m)).toEqual([
    rows.length,
    closedCount,
  ]);
  const [segmentCount = 0] = numbersOf(
    stdout,
    /^compaction: 'key', in a process of its own: (.*) segments$/m,
  );
  const [said = 0, done = 0] = numbersOf(stdout, /^killed after .*: said (.*), done (.*)$/m);
  const [rewritten, compacted, again] = numbersOf(
    stdout,
    /^the next one went on: (.*) of (.*) segments in .*, again (.*)$/m,
  );
  expect(said).toBeGreaterThan(0);
  expect([said, said + 1]).toContain(done);
  expect([rewritten, compacted, again]).toEqual([segmentCount - 1 - done, segmentCount - 1, 0]);
  expect(numbersOf(stdout, /^once more, for the deletions: (.*) of (.*) went$/m)).toEqual([
    closedCount,
    closedCount,
  ]);
  const left = [...stdout.matchAll(/^([\d,]+) records left, each where it was/gm)].map(
    ([, count = '']) => Number(count.replaceAll(',', '')),
  );
  expect(left).toHaveLength(2);
  expect((left[0] ?? 0) - (left[1] ?? 0)).toBe(closedCount);
  expect(left[1]).toBeLessThan(rows.length);
  expect(
    numbersOf(
      stdout,
      /^read as a table in .*: (.*) airports, right (.*) of (.*), deleted (.*): exact$/m,
    ),
  ).toEqual([open.size, open.size, open.size, closedCount]);
});

test('the commands that it ends with work', async () => {
  const commands = [...whole.stdout.matchAll(/^ {2}node dist\/tools\/cli\.js (.*)$/gm)].map(
    ([, line = '']) => line,
  );
  expect(commands).toHaveLength(11);
  for (const command of commands) {
    const args = [...command.matchAll(/'([^']*)'|(\S+)/g)].map(
      ([, quoted, plain]) => quoted ?? plain ?? '',
    );
    const result = await runProgram(distPath('tools', 'cli.js'), args);
    const isWhatIf = args[0] === 'simulate';
    const stderr = isWhatIf ? 'there is no queue or topic from-ATL yet\n' : '';
    expect(result).toMatchObject({ exitCode: 0, stderr });
  }
});

test('the same checker catches a writer that acknowledges early', async () => {
  const liar = distPath('test', 'support', 'early-writer.js');
  const args = ['--flights', '2000', '--seed', '7', '--writer', liar];
  const { exitCode, stdout } = await quickstart(...args);
  expect(stdout).toMatch(/^acked [\d,]+, found [\d,]+, lost [1-9][\d,]*, /m);
  expect(stdout).toContain('FAILED');
  expect(exitCode).toBe(1);
});

test('a member that commits what it has not read is caught', async () => {
  const liar = distPath('test', 'support', 'skipping-reader.js');
  const args = ['--flights', '2000', '--seed', '7', '--reader', liar];
  const { exitCode, stdout } = await quickstart(...args);
  expect(stdout).toMatch(/^read .*, lost [1-9][\d,]*, commits lost 0$/m);
  const [right = 0, all = 0] = numbersOf(stdout, /^delays: .* right for (\d+) of (\d+) airports/m);
  expect(right).toBeLessThan(all);
  expect(stdout).toMatch(/^FAILED: the store is left as it is in /m);
  expect(exitCode).toBe(1);
});

test('workers that acknowledge what they have not handled are caught', async () => {
  const liar = distPath('test', 'support', 'skipping-workers.js');
  const args = ['--flights', '2000', '--seed', '7', '--workers', liar];
  const { exitCode, stdout } = await quickstart(...args);
  expect(stdout).toMatch(/^killed 6 times, .*, lost 5$/m);
  expect(stdout).toMatch(/^FAILED: the store is left as it is in /m);
  expect(exitCode).toBe(1);
});

test('a compaction that deletes what is still there is caught', async () => {
  const liar = distPath('test', 'support', 'deleting-compactor.js');
  const args = ['--flights', '3000', '--seed', '7', '--compactor', liar];
  const { exitCode, stdout } = await quickstart(...args);
  expect(stdout).toMatch(/^[\d,]+ records left, NOT each where it was, as the file has it$/m);
  const [, right = 0, all = 0] = numbersOf(
    stdout,
    /^read as a table in .*: (.*) airports, right (.*) of (.*), deleted .*: NOT exact$/m,
  );
  expect(right).toBe(all - 1);
  expect(stdout).toMatch(/^FAILED: the store is left as it is in /m);
  expect(exitCode).toBe(1);
});
