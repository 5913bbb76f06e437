/** Queues on disk, and processes that have them open, for tests of the command line. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { present } from '../../src/core/assert.ts';
import type { QueueOptions } from '../../src/queue/queue.ts';
import type { ShareStats } from '../../src/queue/share-stats.ts';
import { openStore } from '../../src/store/open-store.ts';
import { distPath, startProgram, type CliResult } from './run-cli.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const OWNER = distPath('test', 'support', 'queue-owner.js');
const cliPath = distPath('tools', 'cli.js');

/** A closed store: queue `email` with these values, and topic `orders` with share group `billing`. */
export async function emails(
  values: readonly string[],
  options: QueueOptions<string> = {},
): Promise<string> {
  const path = join(await temporaryDirectory(), 'store');
  const store = await openStore(path);
  const settings = { failuresMax: 3, deadLetter: 'email.dead', ...options };
  const queue = await store.queue('email', { codec: utf8, partitions: 1, ...settings });
  await queue.sendBatch(values.map((value) => ({ value })));
  const orders = await store.topic('orders', { codec: utf8 });
  await orders.append({ value: 'one' });
  await orders.shareGroup('billing');
  await store.close();
  return path;
}

/** A process that has a store open, with queue `email`. */
export class QueueOwner {
  readonly path: string;
  readonly #child: ChildProcess;
  readonly #lines: Interface;

  private constructor(path: string, leaseMs: number) {
    this.path = path;
    this.#child = spawn(process.execPath, [OWNER, path, String(leaseMs)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#lines = createInterface({ input: present(this.#child.stdout, 'it has an output') });
    onTestFinished(() => void this.#child.kill('SIGKILL'));
  }

  static async start(
    options: { readonly path?: string; readonly leaseMs?: number } = {},
  ): Promise<QueueOwner> {
    const path = options.path ?? join(await temporaryDirectory(), 'store');
    const owner = new QueueOwner(path, options.leaseMs ?? 30_000);
    await owner.heard();
    return owner;
  }

  /** The figures of the queue, after it did what the line says. */
  async say(line = 'look'): Promise<ShareStats> {
    this.#child.stdin?.write(`${line}\n`);
    return this.heard();
  }

  async heard(): Promise<ShareStats> {
    const [line] = await once(this.#lines, 'line');
    return JSON.parse(String(line)) as ShareStats;
  }

  async send(...values: readonly string[]): Promise<void> {
    for (const value of values) await this.say(`send ${value}`);
  }

  /** Asks again and again, for what is known not to take long. */
  async until(wanted: Partial<ShareStats>): Promise<void> {
    await expect.poll(() => this.say(), { timeout: 6000, interval: 30 }).toMatchObject(wanted);
  }

  /** Lets it close the store (null), or kills it. */
  async end(signal: NodeJS.Signals | null): Promise<void> {
    const exited = once(this.#child, 'exit');
    if (signal === null) this.#child.stdin?.end();
    else this.#child.kill(signal);
    await exited;
  }
}

/** `varve` in a process of its own, whose lines can be awaited. */
export class RunningVarve {
  readonly ended: Promise<CliResult>;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  #stdout = '';

  constructor(...args: readonly string[]) {
    const child = startProgram(cliPath, args);
    const { stdout, stderr } = child;
    if (stdout === null || stderr === null) throw new Error('expected pipes');
    this.#child = child;
    this.#lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
    const errors = text(stderr);
    this.ended = once(child, 'close').then(async () => ({
      exitCode: child.exitCode,
      stdout: this.#stdout,
      stdoutBytes: Buffer.from(this.#stdout),
      stderr: await errors,
    }));
    onTestFinished(() => void child.kill('SIGKILL'));
  }

  /** The next line of its output, or of its commands'; fails the test when it ended instead. */
  async line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error(`it ended: ${(await this.ended).stderr}`);
    this.#stdout += `${value}\n`;
    return value;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }
}
