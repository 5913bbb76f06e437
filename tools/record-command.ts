/** A command that runs for one record: the value on its stdin, the rest in its environment. */
import { isUtf8 } from 'node:buffer';
import { spawn, type ChildProcess } from 'node:child_process';
import { basename } from 'node:path';
import type { RemoteDelivery } from '../src/store/queue-verbs.ts';
import type { ShareGroupRef } from './queue-choice.ts';
import { formatDuration } from './units.ts';

/** What to run; no shell looks at it. */
export interface CommandLine {
  readonly program: string;
  readonly args: readonly string[];
  /** It is killed after so long; null = never. */
  readonly timeoutMs: number | null;
}

/** How a command ended. */
export type CommandEnd =
  | { readonly kind: 'done' }
  /** It asked for another try, later. */
  | { readonly kind: 'deferred' }
  | { readonly kind: 'failed'; readonly error: string }
  /** It was killed because the worker is in a hurry, or has lost the lease. */
  | { readonly kind: 'stopped' }
  /** It could not be run at all. */
  | { readonly kind: 'broken'; readonly error: Error };

/** As sysexits.h has it: a failure that passes. */
export const EX_TEMPFAIL = 75;
/** Time to end by itself between SIGTERM and SIGKILL. */
const GRACE_MS = 5_000;

export class RecordCommand {
  /** Never rejects. */
  readonly ended: Promise<CommandEnd>;
  readonly #line: CommandLine;
  #child: ChildProcess | null = null;
  #isStopped = false;
  #isTimedOut = false;
  readonly #timers: NodeJS.Timeout[] = [];

  constructor(line: CommandLine, delivery: RemoteDelivery, { topic, group }: ShareGroupRef) {
    this.#line = line;
    this.ended = this.#run(delivery, { VARVE_TOPIC: topic, VARVE_GROUP: group });
  }

  /** Has it end: SIGTERM now, SIGKILL a while later. Or SIGKILL now. */
  stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): void {
    this.#isStopped = true;
    this.#end(signal);
  }

  async #run(
    delivery: RemoteDelivery,
    place: Readonly<Record<string, string>>,
  ): Promise<CommandEnd> {
    const { timeoutMs } = this.#line;
    try {
      const ended = this.#start(delivery, { ...process.env, ...place, ...environmentOf(delivery) });
      if (timeoutMs !== null) this.#after(timeoutMs, () => this.#timeOut());
      return await ended;
    } catch (error) {
      return { kind: 'broken', error: error instanceof Error ? error : new Error(String(error)) };
    } finally {
      for (const timer of this.#timers) clearTimeout(timer);
    }
  }

  #start({ value }: RemoteDelivery, env: NodeJS.ProcessEnv): Promise<CommandEnd> {
    const { program, args } = this.#line;
    // In a process group of its own: Ctrl-C is for the worker, which lets it finish.
    const child = spawn(program, args, {
      env,
      detached: true,
      stdio: ['pipe', 'inherit', 'inherit'],
    });
    this.#child = child;
    child.stdin.on('error', () => undefined); // It need not read its input.
    child.stdin.end(Buffer.from(value ?? '', 'base64'));
    return new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (exitCode, signal) => resolve(this.#endOf(exitCode, signal)));
    });
  }

  #endOf(exitCode: number | null, signal: NodeJS.Signals | null): CommandEnd {
    const { program, timeoutMs } = this.#line;
    if (exitCode === 0) return { kind: 'done' };
    if (this.#isTimedOut) {
      return {
        kind: 'failed',
        error: `${basename(program)}: no end in ${formatDuration(timeoutMs ?? 0)}`,
      };
    }
    if (this.#isStopped) return { kind: 'stopped' };
    if (exitCode === EX_TEMPFAIL) return { kind: 'deferred' };
    const how = signal === null ? `exit code ${exitCode}` : `killed by ${signal}`;
    return { kind: 'failed', error: `${basename(program)}: ${how}` };
  }

  #timeOut(): void {
    this.#isTimedOut = true;
    this.#end('SIGTERM');
  }

  #end(signal: 'SIGTERM' | 'SIGKILL'): void {
    if (this.#child?.exitCode !== null || this.#child.signalCode !== null) return;
    this.#kill(signal);
    if (signal === 'SIGTERM') this.#after(GRACE_MS, () => this.#kill('SIGKILL'));
  }

  #kill(signal: NodeJS.Signals): void {
    const { pid } = this.#child ?? {};
    if (pid === undefined) return;
    try {
      process.kill(-pid, signal); // With what it started.
    } catch {
      this.#child?.kill(signal); // It ends just now, or changed its group.
    }
  }

  #after(delayMs: number, action: () => void): void {
    this.#timers.push(setTimeout(action, delayMs));
  }
}

function environmentOf(delivery: RemoteDelivery): Readonly<Record<string, string>> {
  const { partition, offset, attempt, token, key } = delivery;
  return {
    VARVE_PARTITION: String(partition),
    VARVE_OFFSET: String(offset),
    VARVE_ATTEMPT: String(attempt),
    VARVE_TOKEN: token,
    ...(key === null ? {} : keyVariable(Buffer.from(key, 'base64'))),
  };
}

/** Not every key is text that an environment can hold. */
function keyVariable(key: Buffer): Readonly<Record<string, string>> {
  if (!isUtf8(key) || key.includes(0)) return { VARVE_KEY_BASE64: key.toString('base64') };
  return { VARVE_KEY: key.toString('utf8') };
}
