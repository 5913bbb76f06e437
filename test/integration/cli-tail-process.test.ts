/** `varve tail -f` beside a writer in another process, which rolls segments and deletes old ones. */
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { ExitCode } from '../../tools/exit-codes.ts';
import { distPath, runProgram, startProgram } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const cliPath = distPath('tools', 'cli.js');
const writerPath = distPath('test', 'support', 'rolling-writer.js');

/** A child whose lines can be awaited one by one. */
class Lines {
  readonly child: ReturnType<typeof startProgram>;
  readonly stderr: Promise<string>;
  readonly closed: Promise<unknown>;
  readonly #lines: AsyncIterator<string>;

  constructor(script: string, args: readonly string[]) {
    this.child = startProgram(script, args);
    const { stdout, stderr } = this.child;
    if (stdout === null || stderr === null) throw new Error('expected pipes');
    this.stderr = text(stderr);
    this.closed = once(this.child, 'close');
    this.#lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
    onTestFinished(() => void this.child.kill('SIGKILL'));
  }

  /** The next line; fails the test when the child ended instead. */
  async next(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error(`the program ended: ${await this.stderr}`);
    return value;
  }

  async take(count: number): Promise<string[]> {
    const lines: string[] = [];
    while (lines.length < count) lines.push(await this.next());
    return lines;
  }
}

/** A writer that holds a new log. */
class Writer extends Lines {
  static async start(): Promise<{ writer: Writer; path: string }> {
    const path = join(await temporaryDirectory(), 'log');
    const writer = new Writer(writerPath, [path]);
    expect(await writer.next()).toBe('0');
    return { writer, path };
  }

  /** Appends, and returns the bounds of the log afterwards. */
  async append(count: number): Promise<{ endOffset: number; startOffset: number }> {
    this.child.stdin?.write(`${count}\n`);
    const [endOffset = 0, startOffset = 0] = (await this.next()).split(' ').map(Number);
    return { endOffset, startOffset };
  }
}

function range(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, index) => String(from + index));
}

const OFFSETS = ['--format', String.raw`%o\n`];

test('-f prints every record once, in order, across new segments and deleted ones', async () => {
  const { writer, path } = await Writer.start();
  await writer.append(100);
  const tail = new Lines(cliPath, ['tail', path, '-f', '-n', '10', ...OFFSETS]);
  expect(await tail.take(10)).toEqual(range(90, 100));
  let next = 100;
  let startOffset = 0;
  for (const count of [1, 150, 3, 400, 1]) {
    ({ startOffset } = await writer.append(count));
    expect(await tail.take(count)).toEqual(range(next, next + count));
    next += count;
  }
  expect(startOffset, 'retention deleted what was printed').toBeGreaterThan(100);
  tail.child.kill('SIGINT');
  await tail.closed;
  expect(tail.child.exitCode).toBe(ExitCode.interrupted);
  expect(await tail.stderr).toBe('');
});

test('-f with a filter prints what matches, as it comes', async () => {
  const { writer, path } = await Writer.start();
  await writer.append(7);
  const args = ['tail', path, '-f', '-n', '2', '--key', '^k0$', ...OFFSETS];
  const tail = new Lines(cliPath, args);
  expect(await tail.take(2)).toEqual(['3', '6']);
  await writer.append(6);
  expect(await tail.take(2)).toEqual(['9', '12']);
});

test('-f waits at the end of a log without records', async () => {
  const { writer, path } = await Writer.start();
  const tail = new Lines(cliPath, ['tail', path, '-f', ...OFFSETS]);
  await writer.append(3);
  expect(await tail.take(3)).toEqual(['0', '1', '2']);
});

test('-f into a pipe that closes: exit 0 at the next record, nothing on stderr', async () => {
  const { writer, path } = await Writer.start();
  await writer.append(3);
  const tail = new Lines(cliPath, ['tail', path, '-f', ...OFFSETS]);
  await tail.take(3);
  tail.child.stdout?.destroy();
  await writer.append(1);
  await tail.closed;
  expect(tail.child.exitCode).toBe(ExitCode.ok);
  expect(await tail.stderr).toBe('');
});

test('without -f it ends where the log ended, also beside a writer', async () => {
  const { writer, path } = await Writer.start();
  await writer.append(30);
  const { exitCode, stdout } = await runProgram(cliPath, ['tail', path, '-n', '5', ...OFFSETS]);
  expect({ exitCode, stdout }).toEqual({
    exitCode: ExitCode.ok,
    stdout: `${range(25, 30).join('\n')}\n`,
  });
});

test('before a log exists: exit 3, and nothing is created', async () => {
  const path = join(await temporaryDirectory(), 'log');
  const { exitCode, stderr } = await runProgram(cliPath, ['tail', path, '-f']);
  expect(exitCode).toBe(ExitCode.notFound);
  expect(stderr).toContain('there is no log at');
});

test('repair beside a writer: exit 5 naming it, also as a dry run', async () => {
  const { writer, path } = await Writer.start();
  await writer.append(30);
  for (const flags of [[], ['--yes'], ['--prune-quarantine', '--yes']]) {
    const { exitCode, stderr } = await runProgram(cliPath, ['repair', path, ...flags]);
    expect(exitCode).toBe(ExitCode.locked);
    expect(stderr).toContain(`process ${writer.child.pid} `);
  }
  const ls = await runProgram(cliPath, ['ls', path, '--ndjson']);
  expect(JSON.parse(ls.stdout)).toMatchObject({ endOffset: 30, lock: 'held' });
});
