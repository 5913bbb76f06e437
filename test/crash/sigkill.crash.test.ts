/**
 * Kills a writing process again and again on the real disk, every third time once more while it
 * recovers, and looks at what is there: nothing acknowledged lost, nothing invented, no hole.
 *
 * A kill keeps the page cache, so this says nothing about fsync: the simulation and the fault
 * tests do. `VARVE_CRASH_CYCLES` sets the number of kills (default 50), `SEED` the moments.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { openLog, SeededRandom, utf8 } from '../../src/index.ts';
import { recordAt, valueAt } from '../support/numbered-record.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const CYCLES = Number(process.env['VARVE_CRASH_CYCLES'] ?? 50);
const SEED = Number(process.env['SEED'] ?? 1 + Math.floor(Math.random() * 1e6));
const CHILD = join(import.meta.dirname, '..', '..', 'dist', 'test', 'crash', 'writer-child.js');
/** After its first acknowledgement a writer lives for up to so many ms more. */
const LIFE_MS_MAX = 40;
/** A process boots in about 50 ms; recovery follows. */
const RECOVERY_KILL_MS = { min: 40, max: 120 };

interface Killed {
  /** Acknowledged offsets, in the order in which the child said so. */
  readonly acked: readonly number[];
  readonly hasOpened: boolean;
}

/** Runs the writer until `shouldKill` settles, kills it, and returns what it had said. */
async function runAndKill(
  args: readonly string[],
  killWhen: (acked: Promise<void>) => Promise<unknown>,
): Promise<Killed> {
  const child = spawn(process.execPath, [CHILD, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  let complaints = '';
  const firstAck = new Promise<void>((resolve) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      if (said.includes('ack')) resolve();
    });
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaints += text));
  const closed = new Promise<NodeJS.Signals | null>((resolve) => {
    child.on('close', (_code, signal) => resolve(signal));
  });
  await Promise.race([killWhen(firstAck), closed]);
  child.kill('SIGKILL');
  expect(await closed, complaints).toBe('SIGKILL');
  // The last line may be cut: only what ends was said.
  const lines = said.slice(0, said.lastIndexOf('\n') + 1).split('\n');
  const acked = lines
    .filter((line) => line.startsWith('ack '))
    .map((line) => Number(line.slice(4)));
  return { acked, hasOpened: lines.some((line) => line.startsWith('open ')) };
}

/** First offset behind everything acknowledged. */
function endOf(acked: readonly number[], atLeast: number): number {
  return acked.reduce((end, offset) => Math.max(end, offset + 1), atLeast);
}

/** Reads from `from` on: every record is the one that belongs at its offset, without a hole. */
async function checkFrom(directory: string, from: number, ackedEnd: number): Promise<number> {
  const log = await openLog(directory, { codec: utf8 });
  expect(log.endOffset, `SEED=${SEED}: acknowledged records are lost`).toBeGreaterThanOrEqual(
    ackedEnd,
  );
  let expected = from;
  for await (const batch of log.batches({ from })) {
    for (const { offset, key, value, createTimeMs } of batch) {
      const whole = recordAt(expected);
      const isRight = offset === expected && value === valueAt(offset) && key === whole.key;
      if (!isRight || createTimeMs !== whole.createTimeMs) {
        throw new Error(`SEED=${SEED}: at offset ${expected}: found ${offset}, ${String(value)}`);
      }
      expected++;
    }
  }
  expect(expected).toBe(log.endOffset);
  await log.close();
  return expected;
}

test(`${CYCLES} kills lose nothing that was acknowledged (SEED=${SEED})`, async () => {
  expect(existsSync(CHILD), 'npm run build comes first').toBe(true);
  const random = new SeededRandom(SEED);
  const directory = join(await temporaryDirectory(), 'log');
  const total = { acked: 0, kept: 0, killedInRecovery: 0 };
  let checkedEnd = 0;
  for (let cycle = 0; cycle < CYCLES; cycle++) {
    const level = cycle % 4 === 3 ? 'os' : 'sync';
    const inFlight = String(cycle % 2 === 0 ? 64 : 8);
    const lifeMs = random.next() * LIFE_MS_MAX;
    const { acked } = await runAndKill([directory, level, inFlight], (firstAck) =>
      firstAck.then(() => pause(lifeMs)),
    );
    let ackedEnd = endOf(acked, checkedEnd);
    total.acked += acked.length;
    if (cycle % 3 === 2) {
      const { min, max } = RECOVERY_KILL_MS;
      const killMs = min + random.next() * (max - min);
      const again = await runAndKill([directory, level, inFlight], () => pause(killMs));
      if (!again.hasOpened) total.killedInRecovery++;
      ackedEnd = endOf(again.acked, ackedEnd);
      total.acked += again.acked.length;
    }
    const end = await checkFrom(directory, checkedEnd, ackedEnd);
    total.kept += end - checkedEnd;
    checkedEnd = end;
  }
  await checkFrom(directory, 0, checkedEnd);
  console.log(`SEED=${SEED}: ${CYCLES} kills, ${JSON.stringify(total)}`);
  // A run that hardly wrote proves nothing.
  expect(total.acked).toBeGreaterThan(CYCLES * 5);
  expect(total.kept).toBeGreaterThanOrEqual(total.acked);
});
