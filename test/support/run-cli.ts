/** Runs built programs from dist, as a user's shell would. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';

const root = join(import.meta.dirname, '..', '..');

export interface ProgramResult {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stdoutBytes: Buffer;
  readonly stderr: string;
}

export interface ProgramOptions {
  readonly input?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
}

/** A file under dist. */
export function distPath(...names: readonly string[]): string {
  return join(root, 'dist', ...names);
}

/** Runs a file of dist with node and waits for its end. Colour and debug settings stay out. */
export async function runProgram(
  script: string,
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<ProgramResult> {
  const { PATH = '', HOME = '' } = process.env;
  const child = spawn(process.execPath, [script, ...args], {
    cwd: root,
    env: { PATH, HOME, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const closed = once(child, 'close');
  child.stdin.on('error', () => {}); // A program may end before it read its input.
  child.stdin.end(options.input ?? '');
  const [stdoutBytes, stderrBytes] = await Promise.all([
    buffer(child.stdout),
    buffer(child.stderr),
  ]);
  await closed;
  return {
    exitCode: child.exitCode,
    signal: child.signalCode,
    stdout: stdoutBytes.toString('utf8'),
    stdoutBytes,
    stderr: stderrBytes.toString('utf8'),
  };
}

/** Runs `varve`. */
export function runCli(args: readonly string[], options?: ProgramOptions): Promise<ProgramResult> {
  return runProgram(distPath('tools', 'cli.js'), args, options);
}
