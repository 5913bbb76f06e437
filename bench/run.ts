/**
 * `npm run bench`: append and scan rates of the log next to the machine's own raw write and read
 * rates, in one run, both sides in turn, medians of 5.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  appendRate,
  megabytesPerSecond,
  rawRead,
  rawSmallSyncs,
  rawWrite,
  scanRate,
  type AppendCell,
  type Rate,
} from './rates.ts';

const RUNS = 5;
const RAW_BLOCKS = 256;

const CELLS: readonly AppendCell[] = [
  { durability: 'os', valueBytes: 100, recordsPerCall: 1000, callsInFlight: 16, records: 2e6 },
  { durability: 'os', valueBytes: 1024, recordsPerCall: 1000, callsInFlight: 16, records: 3e5 },
  { durability: 'sync', valueBytes: 100, recordsPerCall: 1000, callsInFlight: 16, records: 2e6 },
  { durability: 'sync', valueBytes: 1024, recordsPerCall: 1000, callsInFlight: 16, records: 3e5 },
  { durability: 'sync', valueBytes: 100, recordsPerCall: 1, callsInFlight: 1, records: 3000 },
  { durability: 'sync', valueBytes: 100, recordsPerCall: 1, callsInFlight: 64, records: 1e5 },
  { durability: 'sync', valueBytes: 100, recordsPerCall: 1, callsInFlight: 1000, records: 5e5 },
];

/** What one run measured of a cell, and of the machine beside it. */
interface Run {
  /** W or D in MB/s, or F in calls per second: what the cell's appends are compared with. */
  readonly reference: number;
  readonly read: Rate;
  readonly append: Rate;
  readonly cursor: Rate;
  readonly batches: Rate;
}

const LEGEND = `Medians of ${RUNS} runs, the machine's own rate and the log's in turn. The machine, one call in flight:
  W  1 MiB writes to a new file           D  the same, fdatasync after each
  R  1 MiB reads of it and zlib.crc32     F  4 KiB + fdatasync, per second
Logs are read back from the page cache, as R is.`;

const root = join('segments', 'local');
mkdirSync(root, { recursive: true });
const base = mkdtempSync(join(root, 'bench-'));
try {
  console.log(LEGEND);
  for (const cell of CELLS) await runCell(cell);
} finally {
  rmSync(base, { recursive: true, force: true });
}

async function runCell(cell: AppendCell): Promise<void> {
  const runs: Run[] = [];
  for (let run = 0; run < RUNS; run++) {
    const directory = mkdtempSync(join(base, 'run-'));
    const log = join(directory, 'log');
    const write = await rawWrite(directory, RAW_BLOCKS, false); // Leaves what R reads.
    runs.push({
      reference: await referenceOf(cell, directory, write),
      append: await appendRate(log, cell),
      cursor: await scanRate(log, 'cursor'),
      batches: await scanRate(log, 'batches'),
      read: await rawRead(directory),
    });
    rmSync(directory, { recursive: true, force: true });
  }
  print(cell, runs);
}

async function referenceOf(cell: AppendCell, directory: string, write: Rate): Promise<number> {
  if (cell.recordsPerCall === 1) return rawSmallSyncs(directory, 2000);
  if (cell.durability !== 'sync') return megabytesPerSecond(write);
  return megabytesPerSecond(await rawWrite(directory, RAW_BLOCKS, true));
}

function print(cell: AppendCell, runs: readonly Run[]): void {
  const { durability, valueBytes, recordsPerCall, callsInFlight } = cell;
  console.log(
    `\n${durability}, values of ${valueBytes} B, ${recordsPerCall} per call, ${callsInFlight} calls in flight`,
  );
  const isSingle = recordsPerCall === 1;
  const rateOf = isSingle ? recordsPerSecond : megabytesPerSecond;
  const letter = isSingle ? 'F' : durability === 'sync' ? 'D' : 'W';
  const reference = isSingle
    ? `${compact(median(runs.map((run) => run.reference)))}/s`
    : `${median(runs.map((run) => run.reference)).toFixed(0)} MB/s`;
  line(
    'append',
    runs.map(({ append }) => append),
    `${ratio(runs, (run) => rateOf(run.append) / run.reference)} of ${letter} = ${reference}`,
  );
  const read = `R = ${median(runs.map((run) => megabytesPerSecond(run.read))).toFixed(0)} MB/s`;
  for (const how of ['cursor', 'batches'] as const) {
    const share = (run: Run) => megabytesPerSecond(run[how]) / megabytesPerSecond(run.read);
    line(
      how,
      runs.map((run) => run[how]),
      `${ratio(runs, share)} of ${read}`,
    );
  }
}

function line(name: string, rates: readonly Rate[], comparison: string): void {
  const records = `${compact(median(rates.map(recordsPerSecond)))} records/s`;
  const bytes = `${median(rates.map(megabytesPerSecond)).toFixed(0)} MB/s`;
  console.log(`  ${name.padEnd(8)}${records.padStart(17)}${bytes.padStart(12)}   ${comparison}`);
}

function ratio(runs: readonly Run[], of: (run: Run) => number): string {
  return median(runs.map(of)).toFixed(2);
}

function recordsPerSecond({ records, ms }: Rate): number {
  return records / (ms / 1e3);
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

function compact(value: number): string {
  return value >= 1e6 ? `${(value / 1e6).toFixed(2)}M` : `${(value / 1e3).toFixed(1)}k`;
}
