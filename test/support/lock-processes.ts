/** Other processes for lock tests, and which locks this Node.js has. */
import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

import { onTestFinished } from 'vitest';

import { LockedError } from '../../src/core/errors.ts';
import type { LockChoice } from '../../src/io/file-system.ts';
import { distPath } from './run-cli.ts';

/** The addon is compiled for one Node.js; on another it does not load. */
export const hasFlock = canRequire('fs-ext');
export const hasSqlite = canRequire('node:sqlite');
/** What `auto` takes on Linux. */
export const AUTO = hasFlock ? 'flock+socket' : 'socket';
/** The choices that work here on Linux, each with the mechanism it takes. */
export const WORKING: readonly (readonly [LockChoice, string])[] = [
  ['auto', AUTO],
  ['socket', 'socket'],
  ...(hasFlock ? [['flock', 'flock'] as const] : []),
  ...(hasSqlite ? [['sqlite', 'sqlite'] as const] : []),
  ['owner-record', 'owner-record'],
];

const HOLDER = distPath('test', 'support', 'lock-holder.js');

export interface Holder {
  readonly pid: number;
  readonly answer: {
    readonly held?: string;
    readonly refused?: unknown;
    readonly failed?: string;
  };
  readonly child: ChildProcessByStdio<Writable, Readable, null>;
}

/** Starts another process that tries to lock `path`, and waits for its answer. */
export async function startHolder(
  path: string,
  lock: LockChoice = 'auto',
  /** What starts it, such as `unshare` with its arguments. */
  wrapper: readonly string[] = [],
): Promise<Holder> {
  const [command = process.execPath, ...args] = wrapper;
  const own = wrapper.length === 0 ? [] : [process.execPath];
  const child = spawn(command, [...args, ...own, HOLDER, path, lock], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  return { pid: child.pid ?? 0, answer: JSON.parse(String(line)), child };
}

/** Lets it release (null), or kills it, and waits until it is gone. */
export async function endHolder({ child }: Holder, signal: NodeJS.Signals | null): Promise<void> {
  const exited = once(child, 'exit');
  if (signal === null) child.stdin.end();
  else child.kill(signal);
  await exited;
}

/** The refusal that a promise must end in. */
export async function refusalOf(promise: Promise<unknown>): Promise<LockedError> {
  const error: unknown = await promise.catch((e: unknown) => e);
  if (!(error instanceof LockedError)) throw new Error('was not refused', { cause: error });
  return error;
}

function canRequire(name: string): boolean {
  try {
    createRequire(import.meta.url)(name);
    return true;
  } catch {
    return false;
  }
}
