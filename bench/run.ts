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

const root = join('segments', 'local');
mkdirSync(root, { recursive: true });
const base = mkdtempSync(join(root, 'bench-'));
try {
  for (const cell of CELLS) await runCell(cell);
} finally {
  rmSync(base, { recursive: true, force: true });
}

async function runCell(cell: AppendCell): Promise<void> {
  const rows: { reference: number; append: Rate; cursor: Rate; batches: Rate; read: Rate }[] = [];
  for (let run = 0; run < RUNS; run++) {
    const directory = mkdtempSync(join(base, 'run-'));
    const isSingle = cell.recordsPerCall === 1;
    const write = await rawWrite(directory, RAW_BLOCKS, cell.durability === 'sync');
    const os = cell.durability === 'sync' ? await rawWrite(directory, RAW_BLOCKS, false) : write;
    const reference = isSingle ? await rawSmallSyncs(directory, 2000) : megabytesPerSecond(write);
    const log = join(directory, 'log');
    const append = await appendRate(log, cell);
    const cursor = await scanRate(log, 'cursor');
    const batches = await scanRate(log, 'batches');
    rows.push({
      reference,
      append,
      cursor,
      batches,
      read: os.ms === 0 ? os : await rawRead(directory),
    });
    rmSync(directory, { recursive: true, force: true });
  }
  print(cell, rows);
}

function print(
  cell: AppendCell,
  rows: readonly { reference: number; append: Rate; cursor: Rate; batches: Rate; read: Rate }[],
): void {
  const isSingle = cell.recordsPerCall === 1;
  const perSecond = (rate: Rate) => rate.records / (rate.ms / 1e3);
  const ratio = median(
    rows.map(
      (row) => (isSingle ? perSecond(row.append) : megabytesPerSecond(row.append)) / row.reference,
    ),
  );
  const unit = isSingle ? 'F' : cell.durability === 'sync' ? 'D' : 'W';
  const scan = (pick: 'cursor' | 'batches') =>
    median(rows.map((row) => megabytesPerSecond(row[pick]) / megabytesPerSecond(row.read)));
  const { durability, valueBytes, recordsPerCall, callsInFlight } = cell;
  console.log(
    `${durability} ${valueBytes} B x${recordsPerCall}, ${callsInFlight} in flight: ` +
      `append ${compact(median(rows.map((row) => perSecond(row.append))))} records/s, ` +
      `${median(rows.map((row) => megabytesPerSecond(row.append))).toFixed(0)} MB/s = ${ratio.toFixed(2)} ${unit}; ` +
      `cursor ${compact(median(rows.map((row) => perSecond(row.cursor))))}/s = ${scan('cursor').toFixed(2)} R; ` +
      `batches ${compact(median(rows.map((row) => perSecond(row.batches))))}/s = ${scan('batches').toFixed(2)} R`,
  );
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

function compact(value: number): string {
  return value >= 1e6 ? `${(value / 1e6).toFixed(2)}M` : `${(value / 1e3).toFixed(1)}k`;
}
