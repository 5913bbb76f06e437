/** Starts the quickstart's other processes and listens to them. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { AcknowledgementReader } from './acknowledgements.ts';
import type { CheckResult } from './checker.ts';
import { ReadingLedger } from './reading-ledger.ts';
import { WorkLedger } from './work-ledger.ts';

/** What a writer is to do. */
export interface WriterTask {
  readonly script: string;
  readonly directory: string;
  readonly flightCount: number;
  /** Kill it when this many records are acknowledged; null lets it finish. */
  readonly killAt: number | null;
  readonly onProgress: (ackedCount: number) => void;
}

/** How the writer ended, and what it had acknowledged. */
export interface WriterOutcome {
  readonly wasKilled: boolean;
  readonly ackedOffsets: readonly number[];
  readonly durationMs: number;
}

/** What a member of a consumer group is to do, in a process of its own. */
export interface ReaderTask {
  readonly script: string;
  readonly directory: string;
  readonly group: string;
  readonly flightCount: number;
  /** Kill it when it said that it has read so many records; null lets it finish. */
  readonly killAt: number | null;
}

/** How the reader ended, and what it had said. */
export interface ReaderOutcome {
  readonly wasKilled: boolean;
  readonly ledger: ReadingLedger;
  readonly durationMs: number;
}

/** What the workers of the queue are to do, in a process of their own. */
export interface WorkersTask {
  readonly script: string;
  readonly directory: string;
  /** The flight that kills the process. */
  readonly deadlyNumber: number;
  readonly isMended: boolean;
  /** The process is started again as often, at most. */
  readonly livesMax: number;
}

/** How often the workers were killed, and what they had said. */
export interface WorkersOutcome {
  readonly killedCount: number;
  readonly ledger: WorkLedger;
  readonly durationMs: number;
}

/** What a process that compacts is to do, until it is killed. */
export interface CompactorTask {
  readonly script: string;
  readonly directory: string;
  /** Kill it when it said that it is done with so many segments. */
  readonly killAt: number;
}

export interface CompactorOutcome {
  /** Segments that it said. */
  readonly doneCount: number;
  readonly durationMs: number;
}

/** Segments that a process that compacts may be ahead of what was heard of it. */
export const COMPACTOR_AHEAD = 1;

/**
 * Batches that a reader may be ahead of what was heard of it: it runs on while the kill is on its
 * way, and cannot finish meanwhile, however slow the machine.
 */
const BATCHES_AHEAD_MAX = 4;

/** The file of a process that stands beside this one. */
export function scriptPath(name: string): string {
  return join(import.meta.dirname, name);
}

/** Runs a writer until it ends or is killed. @throws Error when it fails by itself */
export async function runWriter(task: WriterTask): Promise<WriterOutcome> {
  const { script, directory, flightCount, killAt, onProgress } = task;
  const startMs = performance.now();
  const child = spawn(process.execPath, [script, directory, String(flightCount)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const closed = once(child, 'close'); // After its output ended too: no acknowledgement is missed.
  const acknowledgements = new AcknowledgementReader();
  child.stdout.setEncoding('utf8');
  for await (const chunk of child.stdout) {
    acknowledgements.read(String(chunk));
    onProgress(acknowledgements.count);
    if (killAt !== null && acknowledgements.count >= killAt) child.kill('SIGKILL');
  }
  await closed;
  const { exitCode, signalCode } = child;
  if (exitCode !== 0 && signalCode !== 'SIGKILL') throw failed('writer', child);
  return {
    wasKilled: signalCode === 'SIGKILL',
    ackedOffsets: acknowledgements.offsets,
    durationMs: performance.now() - startMs,
  };
}

/** Runs a member until it ends or is killed. @throws Error when it fails by itself */
export async function runReader(task: ReaderTask): Promise<ReaderOutcome> {
  const { script, directory, group, flightCount, killAt } = task;
  const startMs = performance.now();
  const child = spawn(process.execPath, [script, directory, group, String(flightCount)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const closed = once(child, 'close');
  child.stdin.on('error', () => undefined); // It ended, and wants no more batches.
  const ledger = new ReadingLedger();
  let granted = 0;
  const grant = (): void => {
    const due = ledger.batchCount + BATCHES_AHEAD_MAX - granted;
    granted += due;
    child.stdin.write('.'.repeat(due));
  };
  grant();
  child.stdout.setEncoding('utf8');
  for await (const chunk of child.stdout) {
    ledger.read(String(chunk));
    if (killAt !== null && ledger.readCount >= killAt) child.kill('SIGKILL');
    else grant();
  }
  await closed;
  const { exitCode, signalCode } = child;
  if (exitCode !== 0 && signalCode !== 'SIGKILL') throw failed('reader', child);
  return {
    wasKilled: signalCode === 'SIGKILL',
    ledger,
    durationMs: performance.now() - startMs,
  };
}

/** Runs workers, again and again, until they end by themselves. @throws Error when they fail, or die too often */
export async function runWorkers(task: WorkersTask): Promise<WorkersOutcome> {
  const { script, directory, deadlyNumber, isMended, livesMax } = task;
  const startMs = performance.now();
  const ledger = new WorkLedger();
  const args = [script, directory, String(deadlyNumber), ...(isMended ? ['mended'] : [])];
  for (let killedCount = 0; killedCount < livesMax; killedCount++) {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const closed = once(child, 'close');
    child.stdout.setEncoding('utf8');
    for await (const chunk of child.stdout) ledger.read(String(chunk));
    await closed;
    ledger.endLife();
    if (child.exitCode === 0) {
      return { killedCount, ledger, durationMs: performance.now() - startMs };
    }
    if (child.signalCode !== 'SIGKILL') throw failed('worker', child);
  }
  throw new Error(`the worker process was killed ${livesMax} times`);
}

/** Runs a process that compacts until it is killed. @throws Error when it ends by itself */
export async function runCompactor(task: CompactorTask): Promise<CompactorOutcome> {
  const { script, directory, killAt } = task;
  const startMs = performance.now();
  const child = spawn(process.execPath, [script, directory], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const closed = once(child, 'close');
  child.stdin.on('error', () => undefined); // It ended, and is granted nothing more.
  child.stdin.write('.'.repeat(COMPACTOR_AHEAD));
  let doneCount = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith('done ')) doneCount++;
    if (doneCount >= killAt) child.kill('SIGKILL');
    else child.stdin.write('.');
  }
  await closed;
  if (child.signalCode !== 'SIGKILL') throw failed('compacting', child);
  return { doneCount, durationMs: performance.now() - startMs };
}

/** Opens the log in a new process and compares it with the input. */
export async function runChecker(
  directory: string,
  flightCount: number,
  ackedOffsets: readonly number[],
): Promise<CheckResult> {
  const script = scriptPath('checker.js');
  const child = spawn(process.execPath, [script, directory, String(flightCount)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const closed = once(child, 'close');
  child.stdin.end(JSON.stringify(ackedOffsets));
  const json = await text(child.stdout);
  await closed;
  if (child.exitCode !== 0) throw failed('checker', child);
  const result: CheckResult = JSON.parse(json);
  return result;
}

function failed(name: string, child: ChildProcess): Error {
  const how = child.signalCode ?? `exit code ${child.exitCode}`;
  return new Error(`the ${name} process ended by itself: ${how}`);
}
