/** Runs the command line: in this process where that is enough, from dist as a shell would. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { packageRoot } from '../../tools/package-root.ts';
import { run } from '../../tools/program.ts';

const root = packageRoot();

export interface CliResult {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stdoutBytes: Buffer;
  readonly stderr: string;
}

export interface CliOptions {
  readonly input?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
  /** Take both outputs for terminals. */
  readonly isTTY?: boolean;
  /** Stands for Ctrl-C. */
  readonly signal?: AbortSignal;
}

/** A file under dist. */
export function distPath(...names: readonly string[]): string {
  return join(root, 'dist', ...names);
}

/** Runs `varve` in this process: everything but signals, pipes and the exit itself. */
export async function runCli(
  args: readonly string[],
  options: CliOptions = {},
): Promise<CliResult> {
  const { input = '', env = {}, isTTY = false, signal } = options;
  const stdout = new Collector(isTTY);
  const stderr = new Collector(isTTY);
  const stdin = Readable.from(input.length === 0 ? [] : [Buffer.from(input)]);
  const stop = signal === undefined ? {} : { signal };
  const exitCode = await run(args, { stdin, stdout, stderr, env, ...stop });
  return resultOf(exitCode, stdout.bytes, stderr.bytes);
}

/** Starts a file of dist with node. Colour and debug settings of the test run stay out. */
export function startProgram(script: string, args: readonly string[]): ChildProcess {
  const { PATH = '', HOME = '' } = process.env;
  return spawn(process.execPath, [script, ...args], { cwd: root, env: { PATH, HOME } });
}

/** Runs a file of dist with node and waits for its end. */
export async function runProgram(
  script: string,
  args: readonly string[],
  input: string | Uint8Array = '',
): Promise<CliResult> {
  const child = startProgram(script, args);
  const { stdin, stdout, stderr } = child;
  if (stdin === null || stdout === null || stderr === null) throw new Error('expected pipes');
  const closed = once(child, 'close');
  stdin.on('error', () => {}); // A program may end before it read its input.
  stdin.end(input);
  const [stdoutBytes, stderrBytes] = await Promise.all([buffer(stdout), buffer(stderr)]);
  await closed;
  return resultOf(child.exitCode, stdoutBytes, stderrBytes);
}

function resultOf(exitCode: number | null, stdoutBytes: Buffer, stderrBytes: Buffer): CliResult {
  const stdout = stdoutBytes.toString('utf8');
  return { exitCode, stdout, stdoutBytes, stderr: stderrBytes.toString('utf8') };
}

class Collector extends Writable {
  readonly isTTY: boolean;
  readonly #chunks: Buffer[] = [];

  constructor(isTTY: boolean) {
    super();
    this.isTTY = isTTY;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    this.#chunks.push(Buffer.from(chunk)); // A copy: the caller uses its buffer again.
    done();
  }
}
