/**
 * `npm start`: the main promise, tried on real data. Stores flights in a process that is killed
 * half way, checks in another that nothing acknowledged is lost, resumes, and reads back; then goes
 * on with topics and consumer groups (`store-stage.ts`), a queue (`queue-stage.ts`), exchanges
 * (`routing-stage.ts`), and a topic that is compacted (`table-stage.ts`).
 *
 *   node dist/tools/quickstart/quickstart.js [--seed N] [--flights N] [--writer file] [--reader file]
 *     [--workers file] [--compactor file]
 *
 * Exit code 1 when an acknowledged record is lost, or any other check fails. `--writer`, `--reader`,
 * `--workers` and `--compactor` put other processes in the place of those that are killed: the tests of
 * the checks use some that lie.
 */
import { parseArgs } from 'node:util';
import { randomBelow, SeededRandom, systemRandom } from '../../src/core/random.ts';
import { Progress } from '../progress.ts';
import { formatPairs } from '../table.ts';
import { formatBytes, formatCount, formatDuration, formatPlural } from '../units.ts';
import type { CheckResult } from './checker.ts';
import { FLIGHTS } from './flight-routes.ts';
import { readFlights } from './flights.ts';
import { DEAD_LETTERS } from './late-flights.ts';
import { freshDirectory, say, shown } from './output.ts';
import { runChecker, runWriter, scriptPath } from './processes.ts';
import type { WriterOutcome } from './processes.ts';
import { runQueueStage } from './queue-stage.ts';
import { readBack } from './read-back.ts';
import type { ReadBackResult } from './read-back.ts';
import { runRoutingStage } from './routing-stage.ts';
import { runStoreStage } from './store-stage.ts';
import { runTableStage } from './table-stage.ts';

const FLIGHT_COUNT = 20_000;
/** A machine so fast that each of these finishes first would be news. */
const ATTEMPTS_MAX = 8;

interface Settings {
  readonly seed: number;
  readonly flightCount: number;
  readonly writerScript: string;
  readonly readerScript: string;
  readonly workersScript: string;
  readonly compactorScript: string;
}

try {
  process.exitCode = await main(parseSettings());
} catch (error) {
  say(`error: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}

async function main(settings: Settings): Promise<number> {
  const { seed, flightCount } = settings;
  say(`varve quickstart: ${formatPlural(readFlights(flightCount).length, 'flight')}, seed ${seed}`);
  const killed = await writeAndKill(settings);
  const { directory, outcome } = killed;
  say('\nopening the log in a new process, comparing every acknowledged record ...');
  const check = await runChecker(directory, flightCount, outcome.ackedOffsets);
  say(checkLine(check));
  if (check.lost > 0 || check.invented > 0) return fail('log', directory, seed);
  say('\nappending the rest ...');
  const resumed = await resume(settings, directory, check.found);
  const result = await readBack(directory, flightCount);
  say(`reading back: ${readBackLine(result)}`);
  say(`\n${summaryTable({ check, resumed, result }).trimEnd()}`);
  const store = await runStoreStage(settings);
  if (!store.isPassed) return fail('store', store.directory, seed);
  const isWorkDone = await runQueueStage({ ...settings, directory: store.directory });
  if (!isWorkDone) return fail('store', store.directory, seed);
  const isRouted = await runRoutingStage({ flightCount, directory: store.directory });
  if (!isRouted) return fail('store', store.directory, seed);
  const isCompacted = await runTableStage({ ...settings, directory: store.directory });
  if (!isCompacted) return fail('store', store.directory, seed);
  say(commands(directory, store.directory));
  return 0;
}

function fail(what: string, directory: string, seed: number): number {
  say(`FAILED: the ${what} is left as it is in ${shown(directory)}; seed ${seed}`);
  return 1;
}

/** Runs writers, each in a fresh directory, until the kill came before the end. */
async function writeAndKill(
  settings: Settings,
): Promise<{ directory: string; outcome: WriterOutcome }> {
  const { seed, flightCount, writerScript } = settings;
  const random = new SeededRandom(seed);
  const earliest = Math.floor(flightCount * 0.25);
  let latest = Math.floor(flightCount * 0.75);
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    const directory = freshDirectory(`flights-${seed}`);
    const killAt = earliest + randomBelow(random, latest - earliest);
    say(`\nwriting to ${shown(directory)}, one fsynced append per flight, 64 in flight`);
    say(`kill -9 after ${formatCount(killAt)} acknowledgements ...`);
    const progress = progressBar('appending', flightCount);
    const outcome = await runWriter({
      script: writerScript,
      directory,
      flightCount,
      killAt,
      onProgress: (ackedCount) => progress.update(ackedCount),
    });
    progress.end();
    const acked = formatCount(outcome.ackedOffsets.length);
    if (outcome.wasKilled) {
      say(`killed after ${formatDuration(outcome.durationMs)}: ${acked} acknowledged`);
      return { directory, outcome };
    }
    say('the writer had already finished: once more, with an earlier point');
    latest = Math.max(earliest + 1, killAt);
  }
  throw new Error(`the writer finished first ${ATTEMPTS_MAX} times`);
}

/** Appends what is missing. Returns how many that was and how long it took. */
async function resume(
  settings: Settings,
  directory: string,
  storedCount: number,
): Promise<{ recordCount: number; durationMs: number }> {
  const { flightCount } = settings;
  const progress = progressBar('appending', flightCount);
  const { ackedOffsets, durationMs } = await runWriter({
    script: scriptPath('writer.js'),
    directory,
    flightCount,
    killAt: null,
    onProgress: (ackedCount) => progress.update(storedCount + ackedCount),
  });
  progress.end();
  return { recordCount: ackedOffsets.length, durationMs };
}

function checkLine({ acked, found, lost, kept, invented }: CheckResult): string {
  const line =
    `acked ${formatCount(acked)}, found ${formatCount(found)}, lost ${formatCount(lost)}, ` +
    `unacknowledged but kept ${formatCount(kept)}`;
  return invented === 0 ? line : `${line}, never appended ${formatCount(invented)}`;
}

function readBackLine(result: ReadBackResult): string {
  const { recordCount, readMs, time, timeOffset, randomReads, randomReadMs } = result;
  const each = formatDuration(randomReadMs / randomReads);
  return (
    `all ${formatPlural(recordCount, 'record')} as appended (${formatDuration(readMs)}); ` +
    `${formatPlural(randomReads, 'record')} by offset (${each} each); ` +
    `first flight from ${time} on: offset ${formatCount(timeOffset)}`
  );
}

interface Outcome {
  readonly check: CheckResult;
  readonly resumed: { readonly recordCount: number; readonly durationMs: number };
  readonly result: ReadBackResult;
}

function summaryTable({ check, resumed, result }: Outcome): string {
  const { outcome, cutBytes, rewrittenBytes, durationMs } = check.recovery;
  const rate = Math.round((resumed.recordCount / resumed.durationMs) * 1000);
  const found =
    `${outcome} in ${formatDuration(durationMs)}: ${formatBytes(rewrittenBytes)} past the ` +
    `checkpoint kept, ${formatBytes(cutBytes)} of a torn tail cut`;
  return formatPairs([
    ['records', formatCount(result.recordCount)],
    ['bytes', formatBytes(result.sizeBytes)],
    ['rate', `${formatCount(rate)} records/s at sync, process start included`],
    ['segments', formatCount(result.segmentCount)],
    ['recovery', found],
  ]);
}

function commands(directory: string, storeDirectory: string): string {
  const cli = 'node dist/tools/cli.js';
  const path = shown(directory);
  const store = shown(storeDirectory);
  return [
    '\nTry:',
    `  ${cli} info ${path}`,
    `  ${cli} cat ${path} --since 2001-03-01 --limit 5 --format '%o %t{iso} %k %v\\n'`,
    `  ${cli} verify ${path}`,
    `  ${cli} groups ls ${store}`,
    `  ${cli} queue ls ${store}`,
    `  ${cli} compact ${store} last-flight`,
    `  ${cli} queue peek ${store} ${DEAD_LETTERS}`,
    `  ${cli} exchanges describe ${store} ${FLIGHTS}`,
    `  ${cli} route ${store} ${FLIGHTS} flight.ORD.LAX`,
    `  ${cli} simulate ${store} ${FLIGHTS} --bind 'from-ATL=flight.ATL.*'`,
    `  ${cli} ls ${store}`,
  ].join('\n');
}

function progressBar(label: string, total: number): Progress {
  return new Progress({ stream: process.stdout, label, unit: 'record', total, isQuiet: false });
}

function parseSettings(): Settings {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      flights: { type: 'string' },
      writer: { type: 'string' },
      reader: { type: 'string' },
      workers: { type: 'string' },
      compactor: { type: 'string' },
    },
  });
  return {
    seed: wholeNumber('--seed', values.seed) ?? randomBelow(systemRandom, 1_000_000),
    flightCount: wholeNumber('--flights', values.flights) ?? FLIGHT_COUNT,
    writerScript: values.writer ?? scriptPath('writer.js'),
    readerScript: values.reader ?? scriptPath('group-reader.js'),
    workersScript: values.workers ?? scriptPath('flight-workers.js'),
    compactorScript: values.compactor ?? scriptPath('flight-compactor.js'),
  };
}

function wholeNumber(name: string, text: string | undefined): number | null {
  if (text === undefined) return null;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new Error(`${name}: expected a whole number, got ${JSON.stringify(text)}`);
}
