import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openLog } from '../../src/index.ts';
import { ExitCode } from '../../tools/exit-codes.ts';
import { contentsOf, linesOf } from '../support/cli-logs.ts';
import { runCli } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** Logs at two depths, and what is no log. */
async function dataDirectory(): Promise<string> {
  const path = await temporaryDirectory();
  await runCli(['append', join(path, 'orders')], { input: 'a\nb\nc\n' });
  await runCli(['append', join(path, 'users')], { input: 'x\n' });
  await runCli(['append', join(path, 'more', 'deep')], { input: 'y\n' });
  await mkdir(join(path, 'photos'));
  await writeFile(join(path, 'notes.txt'), 'mine');
  return path;
}

const namesIn = (stdout: string): unknown[] => linesOf(stdout).map(({ path }) => path);

describe('ls', () => {
  test('lists the logs right below a directory, in a table with all columns', async () => {
    const path = await dataDirectory();
    const before = await contentsOf(path);
    const { exitCode, stdout, stderr } = await runCli(['ls', path]);
    expect({ exitCode, stderr }).toEqual({ exitCode: ExitCode.ok, stderr: '' });
    const [header, orders, users, ...rest] = stdout.split('\n');
    expect(header).toMatch(/^path +start +end +offsets +bytes +segments +last append +lock$/);
    expect(orders).toMatch(/orders +0 +3 +3 +[\d.]+ (?:B|KiB) +1 +\d{4}-\d\d-\d\dT\S+Z +free$/);
    expect(users).toMatch(/users +0 +1 +1 /);
    expect(rest).toEqual(['']);
    expect(await contentsOf(path)).toEqual(before);
  });

  test('--depth goes further down, and 0 stays', async () => {
    const path = await dataDirectory();
    const deep = await runCli(['ls', path, '--depth', '2', '--ndjson']);
    const names = ['more/deep', 'orders', 'users'].map((name) => join(path, name));
    expect(namesIn(deep.stdout)).toEqual(names);
    const none = await runCli(['ls', path, '--depth', '0']);
    expect(none).toMatchObject({ exitCode: ExitCode.ok, stdout: '' });
    expect(none.stderr).toBe(`no log in ${path}, down to depth 0\n`);
  });

  test('a log lists itself, and nothing inside it', async () => {
    const path = join(await dataDirectory(), 'orders');
    const { stdout } = await runCli(['ls', path, '--json', '--depth', '5']);
    expect(JSON.parse(stdout)).toEqual({
      path,
      logs: [
        {
          path,
          startOffset: 0,
          endOffset: 3,
          offsetCount: 3,
          sizeBytes: expect.any(Number) as unknown,
          segmentCount: 1,
          lastWriteTimeMs: expect.any(Number) as unknown,
          lock: 'free',
        },
      ],
    });
  });

  test('--columns chooses and orders', async () => {
    const path = await dataDirectory();
    const { stdout } = await runCli(['ls', path, '--columns', 'offsets, path']);
    expect(stdout).toMatch(/^offsets {2}path\n +3 {2}.*orders\n/);
    const wrong = await runCli(['ls', path, '--columns', 'size']);
    expect(wrong.exitCode).toBe(ExitCode.usage);
    expect(wrong.stderr).toContain('Expected names out of path, start, end');
  });

  test('a log without a valid checkpoint is listed, with what is not known', async () => {
    const path = join(await dataDirectory(), 'orders');
    await writeFile(join(path, 'checkpoint'), Buffer.alloc(8192));
    const { exitCode, stdout } = await runCli(['ls', path]);
    expect(exitCode).toBe(ExitCode.ok);
    expect(stdout).toMatch(/orders +\? +\? +\? +\d/);
  });

  test('a log that was just created has no segment yet', async () => {
    const path = join(await temporaryDirectory(), 'log');
    await (await openLog(path)).close();
    const { stdout } = await runCli(['ls', path, '--ndjson']);
    expect(linesOf(stdout)).toMatchObject([
      { segmentCount: 0, endOffset: 0, lastWriteTimeMs: null },
    ]);
  });

  test('a missing directory: exit 3; a file: exit 2', async () => {
    const path = await dataDirectory();
    expect((await runCli(['ls', join(path, 'none')])).exitCode).toBe(ExitCode.notFound);
    expect((await runCli(['ls', join(path, 'notes.txt')])).exitCode).toBe(ExitCode.usage);
  });

  test.skipIf(process.getuid?.() === 0)(
    'a directory it may not read is named, not silent (skipped for root, who may read all)',
    async () => {
      const path = await dataDirectory();
      await chmod(join(path, 'users'), 0);
      const { exitCode, stdout, stderr } = await runCli(['ls', path, '--ndjson']);
      await chmod(join(path, 'users'), 0o700);
      expect(exitCode).toBe(ExitCode.ok);
      expect(namesIn(stdout)).toEqual([join(path, 'orders')]);
      expect(stderr).toBe(`not allowed to read ${join(path, 'users')}\n`);
    },
  );
});
