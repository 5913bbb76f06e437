import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { distPath, runProgram } from '../support/run-cli.ts';
import type { CliResult } from '../support/run-cli.ts';

const root = join(import.meta.dirname, '..', '..');
const directories: string[] = [];

afterEach(async () => {
  for (const directory of directories.splice(0)) {
    await rm(join(root, directory), { recursive: true, force: true });
  }
});

/** Runs `npm start` without its build, and remembers the logs it leaves. */
async function quickstart(...args: string[]): Promise<CliResult> {
  const result = await runProgram(distPath('tools', 'quickstart', 'quickstart.js'), args);
  for (const [, directory = ''] of result.stdout.matchAll(/^writing to (\S+),/gm)) {
    directories.push(directory);
  }
  return result;
}

test('the quickstart loses nothing that was acknowledged, resumes and reads back', async () => {
  const { exitCode, stdout, stderr } = await quickstart('--flights', '3000', '--seed', '7');
  expect(stderr).toBe('');
  expect(stdout).toContain('3,000 flights, seed 7');
  expect(stdout).toMatch(/killed after .*: [\d,]+ acknowledged/);
  const match = /^acked ([\d,]+), found ([\d,]+), lost 0, unacknowledged but kept ([\d,]+)$/m.exec(
    stdout,
  );
  const [acked = 0, found = 0, kept = 0] = (match ?? [])
    .slice(1)
    .map((text) => Number(text.replace(',', '')));
  expect(acked).toBeGreaterThanOrEqual(750);
  expect(found).toBe(acked + kept);
  expect(stdout).toContain('all 3,000 records as appended');
  expect(stdout).toMatch(/^recovery .* checkpoint kept/m);
  expect(stdout).not.toContain('\u001B'); // Plain lines in a pipe.
  expect(exitCode).toBe(0);
});

test('the three commands that it ends with work', async () => {
  const { stdout } = await quickstart('--flights', '500', '--seed', '8');
  const commands = [...stdout.matchAll(/^ {2}node dist\/tools\/cli\.js (.*)$/gm)].map(
    ([, line = '']) => line,
  );
  expect(commands).toHaveLength(3);
  for (const command of commands) {
    const args = [...command.matchAll(/'([^']*)'|(\S+)/g)].map(
      ([, quoted, plain]) => quoted ?? plain ?? '',
    );
    const result = await runProgram(distPath('tools', 'cli.js'), args);
    expect(result).toMatchObject({ exitCode: 0, stderr: '' });
  }
});

test('the same checker catches a writer that acknowledges early', async () => {
  const liar = distPath('test', 'support', 'early-writer.js');
  const args = ['--flights', '2000', '--seed', '7', '--writer', liar];
  const { exitCode, stdout } = await quickstart(...args);
  expect(stdout).toMatch(/^acked [\d,]+, found [\d,]+, lost [1-9][\d,]*, /m);
  expect(stdout).toContain('FAILED');
  expect(exitCode).toBe(1);
});
