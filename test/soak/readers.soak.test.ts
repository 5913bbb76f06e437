/**
 * One writer that rolls, deletes, closes, opens again and is killed, and readers in processes of
 * their own: a follower, a scanner that opens again and again, one that reads single records, one
 * that searches by time, and one that verifies. No false damage, no wrong record, no missing file.
 *
 * `VARVE_SOAK_SECONDS` sets how long (default 2; `npm run test:soak` takes 60).
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import type { ReaderReport } from './reader-process.ts';

const SECONDS = Number(process.env['VARVE_SOAK_SECONDS'] ?? 2);
const SCRIPTS = join(import.meta.dirname, '..', '..', 'dist', 'test', 'soak');
const KINDS = ['follow', 'scan', 'point', 'time', 'verify'] as const;
/** Each writer lives so long before it is killed. */
const WRITER_LIFE_MS = 1000;

interface Process {
  readonly child: ChildProcess;
  /** All that it wrote to stdout, when it has ended. */
  readonly output: Promise<string>;
  /** Resolves with its first output. */
  readonly started: Promise<void>;
  complaints: string;
}

function start(script: string, args: readonly string[]): Process {
  const child = spawn(process.execPath, [join(SCRIPTS, script), ...args]);
  const chunks: string[] = [];
  const started = new Promise<void>((resolve) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      chunks.push(text);
      resolve();
    });
  });
  const output = new Promise<string>((resolve) => {
    child.on('close', () => resolve(chunks.join('')));
  });
  const process_: Process = { child, output, started, complaints: '' };
  child.stderr.setEncoding('utf8').on('data', (text: string) => (process_.complaints += text));
  return process_;
}

/**
 * Lets one writer after the other run and be killed, for so long and until `enough` is true; returns
 * the last acknowledged end.
 */
async function writeAndKill(
  directory: string,
  first: Process,
  enough: () => boolean,
): Promise<{ end: number; kills: number }> {
  const stopAt = performance.now() + SECONDS * 1000;
  let writer = first;
  for (let kills = 1; ; kills++) {
    await Promise.race([writer.started, writer.output]);
    await pause(WRITER_LIFE_MS);
    writer.child.kill('SIGKILL');
    const output = await writer.output;
    expect(writer.child.signalCode, writer.complaints).toBe('SIGKILL');
    const lines = output.slice(0, output.lastIndexOf('\n')).split('\n');
    const end = Number(lines.at(-1)?.slice('end '.length));
    expect(end).toBeGreaterThan(0);
    if (performance.now() >= stopAt && enough()) return { end, kills };
    writer = start('writer-process.js', [directory, String(kills + 1)]);
  }
}

test(`a writer and five readers for ${SECONDS} s`, async () => {
  const directory = join(await temporaryDirectory(), 'log');
  const writer = start('writer-process.js', [directory, '1']);
  await Promise.race([writer.started, writer.output]);
  // A run that saw little proves little: on a busy machine it takes longer.
  const readers = KINDS.map((kind) => {
    const looks = kind === 'scan' ? SECONDS + 1 : 0;
    return start('reader-process.js', [directory, kind, `${SECONDS * 50 + 1}`, `${looks}`]);
  });
  const waiting = new Set(readers);
  for (const reader of readers) {
    // One that ended has seen what it will see: its report says what was wrong.
    void Promise.race([reader.started, reader.output]).then(() => waiting.delete(reader));
  }
  const { end, kills } = await writeAndKill(directory, writer, () => waiting.size === 0);
  // Nobody writes any more: the follower must get at everything that was acknowledged.
  for (const { child } of readers) child.stdin?.end(`${end}\n`);
  const reports: ReaderReport[] = [];
  for (const reader of readers) {
    const output = await reader.output;
    expect(output, reader.complaints).not.toBe('');
    reports.push(JSON.parse(output.replace('enough\n', '')) as ReaderReport);
  }
  expect(
    reports.flatMap(({ kind, problems }) => problems.map((text) => `${kind}: ${text}`)),
  ).toEqual([]);
  const byKind = Object.fromEntries(reports.map((report) => [report.kind, report]));
  console.log(`soak: ${end} records, ${kills} kills`, JSON.stringify(reports));
  expect(kills).toBeGreaterThanOrEqual(Math.min(SECONDS, 2));
  for (const kind of KINDS) expect(byKind[kind]?.records, kind).toBeGreaterThan(SECONDS * 50);
  expect(byKind['scan']?.looks).toBeGreaterThan(SECONDS);
});
