/**
 * The same bytes by `limit/limit.c`, a program of our own: what the work costs without an engine.
 *
 * Compiled by `cc` (or `CC`) with -O3 into the job's directory, with zlib's CRC-32 where its header is
 * installed and one of its own elsewhere: the figure `zlib` of a run is 1 or 0. The program stays
 * and does one run at a time. It takes the time itself, from before it opens the file until the last
 * write, sync or read is done; start, pipe and the deletion of the file are not in it. What is
 * scanned was written and synced when the job was opened, and is in the page cache.
 */
import { execFileSync, spawn, type ChildProcessByStdio } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { packageRoot } from '../../tools/package-root.ts';
import { UnavailableError, type Job, type Sample } from '../core/job.ts';

const KEY_BYTES = 16;

export type CLimitParameters = {
  /** `append-sync` calls fdatasync after each MiB. */
  readonly mode: 'append-os' | 'append-sync' | 'scan';
  readonly valueBytes: number;
  readonly records: number;
};

/** One line of the program's output. */
interface Answer {
  readonly bytes: number;
  readonly records: number;
  readonly ms: number;
  readonly crc: 'zlib' | 'own';
  /** Of a scan: the sum of all offsets, key and value lengths. */
  readonly touched?: number;
}

export async function openJob(directory: string, parameters: CLimitParameters): Promise<Job> {
  const { mode } = parameters;
  const file = join(directory, 'data');
  const program = new LimitProgram(compile(directory), file);
  const expectedBytes = mode === 'scan' ? await prepare(program, file, parameters) : null;
  return {
    async run() {
      const answer = await program.run(commandOf(mode, parameters));
      if (mode !== 'scan') fs.unlinkSync(file);
      check(answer, parameters, expectedBytes);
      return toSample(answer);
    },
    close: () => program.close(),
  };
}

/** Writes what the scans read. @returns its bytes */
async function prepare(
  program: LimitProgram,
  file: string,
  parameters: CLimitParameters,
): Promise<number> {
  const { bytes } = await program.run(commandOf('append-os', parameters));
  const fd = fs.openSync(file, 'r+');
  fs.fsyncSync(fd); // Or it would be written back while others are measured.
  fs.closeSync(fd);
  return bytes;
}

function commandOf(
  mode: CLimitParameters['mode'],
  { valueBytes, records }: CLimitParameters,
): string {
  return mode === 'scan' ? mode : `${mode} ${valueBytes} ${records}`;
}

function check(
  { bytes, records, touched }: Answer,
  parameters: CLimitParameters,
  expectedBytes: number | null,
): void {
  const { valueBytes } = parameters;
  const sizes = KEY_BYTES + valueBytes;
  const sum = records * ((records - 1) / 2 + sizes);
  const isWhole =
    records === parameters.records &&
    bytes > records * sizes &&
    (expectedBytes === null || (bytes === expectedBytes && touched === sum));
  if (!isWhole) throw new Error(`limit.c did ${records} records, ${bytes} bytes`);
}

function toSample({ bytes, records, ms, crc }: Answer): Sample {
  return { bytes, records, ms, extra: { zlib: crc === 'zlib' ? 1 : 0 } };
}

/** @returns the program. @throws UnavailableError without a compiler */
function compile(directory: string): string {
  const source = join(packageRoot(), 'bench', 'limit', 'limit.c');
  if (!fs.existsSync(source)) throw new UnavailableError('no C source: not a checkout of Varve');
  const compiler = process.env['CC'] ?? 'cc';
  const program = join(directory, 'limit');
  const build = (...flags: readonly string[]) =>
    execFileSync(compiler, ['-O3', '-o', program, source, ...flags], { stdio: 'pipe' });
  try {
    build('-lz');
  } catch (error) {
    if (isMissing(error)) throw new UnavailableError('no C compiler', { cause: error });
    build('-DOWN_CRC'); // zlib's header or library is missing.
  }
  return program;
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

/** The running program: a line in, a line out. */
class LimitProgram {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #answers: AsyncIterator<string>;
  readonly #ended: Promise<void>;
  #complaint = '';

  constructor(program: string, file: string) {
    this.#child = spawn(program, [file], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#ended = new Promise((resolve) => {
      this.#child.once('close', () => resolve());
      this.#child.once('error', (error) => {
        this.#complaint = error.message;
        resolve();
      });
    });
    this.#child.stdin.on('error', () => undefined); // Its end is told by the missing answer.
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#complaint += text;
    });
    this.#answers = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** @throws Error with the program's complaint when it ended instead */
  async run(command: string): Promise<Answer> {
    this.#child.stdin.write(`${command}\n`);
    const { done, value } = await this.#answers.next();
    if (done !== true) return JSON.parse(value) as Answer;
    await this.#ended;
    throw new Error(`limit.c ended: ${this.#complaint.trim()}`);
  }

  async close(): Promise<void> {
    this.#child.stdin.end(); // It leaves when there is nothing more to read.
    await this.#ended;
  }
}
