/** What only a process of its own shows: signals, pipes, locks, the exit code of the shell. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { ExitCode } from '../../tools/exit-codes.ts';
import { distPath, runCli, runProgram, startProgram } from '../support/run-cli.ts';
import { AUTO } from '../support/lock-processes.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const cliPath = distPath('tools', 'cli.js');
const LINES = `${'x'.repeat(1000)}\n`.repeat(5000);

async function logOf(input: string): Promise<string> {
  const path = join(await temporaryDirectory(), 'log');
  await runCli(['append', path], { input });
  return path;
}

interface RunningCli {
  readonly child: ChildProcess;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Promise<string>;
  readonly closed: Promise<unknown>;
}

function startCli(...args: string[]): RunningCli {
  const child = startProgram(cliPath, args);
  const { stdin, stdout, stderr } = child;
  if (stdin === null || stdout === null || stderr === null) throw new Error('expected pipes');
  return { child, stdin, stdout, stderr: text(stderr), closed: once(child, 'close') };
}

test('append and cat work as commands, with an exit code', async () => {
  const path = join(await temporaryDirectory(), 'log');
  const appended = await runProgram(cliPath, ['append', path], LINES);
  expect(appended).toMatchObject({ exitCode: ExitCode.ok, stdout: '' });
  expect(await runProgram(cliPath, ['cat', path])).toMatchObject({ stdout: LINES, stderr: '' });
  expect(await runProgram(cliPath, ['cat', `${path}-not`])).toMatchObject({
    exitCode: ExitCode.notFound,
  });
});

test('a reader that leaves early: exit 0, nothing on stderr', async () => {
  const { child, stdout, stderr, closed } = startCli('cat', await logOf(LINES));
  stdout.once('data', () => stdout.destroy());
  expect(await stderr).toBe('');
  await closed;
  expect(child.exitCode).toBe(ExitCode.ok);
});

test('help into a closed pipe is no crash', async () => {
  const { child, stdout, stderr, closed } = startCli('--help');
  stdout.destroy();
  expect(await stderr).toBe('');
  await closed;
  expect(child.exitCode).toBe(ExitCode.ok);
});

test('Ctrl-C ends append with 130 and keeps what it read', async () => {
  const path = join(await temporaryDirectory(), 'log');
  const { child, stdin, stderr, closed } = startCli('append', path);
  stdin.write('first line\nsecond line\nunfinished');
  await untilStored(path, 'second line');
  child.kill('SIGINT');
  await closed;
  expect(child.exitCode).toBe(ExitCode.interrupted);
  expect(await stderr).toMatch(/^appended 2 records /);
  expect((await runCli(['cat', path])).stdout).toBe('first line\nsecond line\n');
});

test('Ctrl-C ends cat with 130, also when nobody reads', async () => {
  const { child, stdout, stderr, closed } = startCli('cat', await logOf(LINES));
  await once(stdout, 'readable'); // The pipe fills; from here on nothing takes more.
  child.kill('SIGINT');
  expect(await stderr).toBe('');
  stdout.resume();
  await closed;
  expect(child.exitCode).toBe(ExitCode.interrupted);
});

test('SIGTERM ends append by that signal, with everything stored', async () => {
  const path = join(await temporaryDirectory(), 'log');
  const { child, stdin, closed } = startCli('append', path);
  stdin.write('first line\n');
  await untilStored(path, 'first line');
  child.kill('SIGTERM');
  await closed;
  expect(child.signalCode).toBe('SIGTERM');
  expect((await runCli(['cat', path])).stdout).toBe('first line\n');
});

test('a second writer: exit 5, naming the first; readers go on', async () => {
  const path = await logOf('a\n');
  const { child, stdin, closed } = startCli('append', path);
  stdin.write('second line\n');
  await untilStored(path, 'second line');
  const second = await runCli(['append', path], { input: 'c\n' });
  expect(second.exitCode).toBe(ExitCode.locked);
  expect(second.stderr).toContain(`process ${child.pid} `);
  expect((await runCli(['cat', path])).stdout).toBe('a\nsecond line\n');
  expect((await runCli(['verify', path])).exitCode).toBe(ExitCode.ok);
  const { stdout } = await runCli(['info', path, '--json']);
  const holder = { pid: child.pid, mechanism: AUTO };
  expect(JSON.parse(stdout)).toMatchObject({ lock: { state: 'held', holder } });
  const shown = (await runCli(['info', path])).stdout;
  expect(shown).toMatch(/^lock +held by process \d+ on \S+ \((?:flock\+)?socket\) since /m);
  stdin.end();
  await closed;
  expect(child.exitCode).toBe(ExitCode.ok);
  expect((await runCli(['info', path])).stdout).toMatch(/^lock +free, last held by process/m);
});

/** Waits until the log's last segment holds `line`. */
async function untilStored(path: string, line: string): Promise<void> {
  for (;;) {
    const names = await readdir(path).catch(() => []);
    const last = names.filter((name) => name.endsWith('.log')).at(-1);
    const bytes = last === undefined ? Buffer.alloc(0) : await readFile(join(path, last));
    if (bytes.includes(line)) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
