/** `append --compression`, and what the other verbs say of a log that this Node cannot read. */
import { cp, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ExitCode } from '../../tools/exit-codes.ts';
import { AVAILABLE_COMPRESSIONS, HAS_ZSTD } from '../support/compressions.ts';
import { runCli } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const INPUT = Array.from({ length: 500 }, (_, n) => `a line that is much like line ${n}\n`).join(
  '',
);

describe.each(AVAILABLE_COMPRESSIONS)('append --compression %s', (compression) => {
  test('stores the same lines in less room, and dump says how', async () => {
    const path = join(await temporaryDirectory(), 'log');
    const { exitCode } = await runCli(['append', path, '--compression', compression], {
      input: INPUT,
    });
    expect(exitCode).toBe(ExitCode.ok);
    expect((await runCli(['cat', path])).stdout).toBe(INPUT);
    expect((await runCli(['verify', path])).stdout).toMatch(/^sound: 1 segment, .* 500 records/);
    const { stdout } = await runCli(['dump', path]);
    expect(stdout).toMatch(new RegExp(` bytes \\d+ \\(${compression} of \\d{5}\\) {2}epoch 2 `));
    const { stdout: lines } = await runCli(['dump', path, '--ndjson']);
    const batch = JSON.parse(lines.split('\n')[1] ?? '') as Record<string, number>;
    expect(batch).toMatchObject({ type: 'batch', compression, unavailable: null });
    expect(batch['uncompressedBytes']).toBeGreaterThan(3 * (batch['sizeBytes'] ?? 0));
  });
});

test('append takes no other name', async () => {
  const path = join(await temporaryDirectory(), 'log');
  const { exitCode, stderr } = await runCli(['append', path, '--compression', 'lz4'], {
    input: '',
  });
  expect(exitCode).toBe(ExitCode.usage);
  expect(stderr).toContain('none, gzip, zstd');
});

describe.skipIf(HAS_ZSTD)('on a Node without zstd', () => {
  test('append --compression zstd says which Node has it, and creates nothing', async () => {
    const folder = await temporaryDirectory();
    const arguments_ = ['append', join(folder, 'log'), '--compression', 'zstd'];
    const { exitCode, stderr } = await runCli(arguments_, { input: 'a\n' });
    expect(exitCode).toBe(ExitCode.failure);
    expect(stderr).toContain('zstd needs Node.js 22.15');
    expect(await readdir(folder)).toEqual([]);
  });

  test('cat says where it stopped and why; verify and dump find no damage', async () => {
    const path = join(await temporaryDirectory(), 'log');
    const golden = join(import.meta.dirname, '..', '..', 'segments', 'v1', 'zstd');
    await cp(golden, path, { recursive: true });
    const { exitCode, stdout, stderr } = await runCli(['cat', path]);
    expect({ exitCode, stdout }).toEqual({ exitCode: ExitCode.failure, stdout: '' });
    expect(stderr).toMatch(/byte 128 of .*0\.log: zstd needs Node\.js 22\.15/);
    const verified = await runCli(['verify', path]);
    expect(verified.exitCode).toBe(ExitCode.ok);
    expect(verified.stdout).toMatch(/^note .* in 22 batches were not looked into/m);
    const dumped = await runCli(['dump', path, '--records']);
    expect(dumped.exitCode).toBe(ExitCode.ok);
    expect(dumped.stdout).toContain('no records shown: zstd needs Node.js');
  });
});
