import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openLog } from '../../src/index.ts';
import { SEGMENT_HEADER_BYTES } from '../../src/format/layout.ts';
import { ExitCode } from '../../tools/exit-codes.ts';
import { FIRST_SEGMENT, flipByte, linesOf, logOfSegments } from '../support/cli-logs.ts';
import { runCli } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const OFFSETS = ['--format', String.raw`%o\n`];

async function offsetsOf(args: readonly string[]): Promise<number[]> {
  const { exitCode, stdout } = await runCli(['tail', ...args, ...OFFSETS]);
  expect(exitCode).toBe(ExitCode.ok);
  return stdout === '' ? [] : stdout.trimEnd().split('\n').map(Number);
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}

describe('tail', () => {
  test('prints the last 20 records, or as many as are asked for', async () => {
    const path = await logOfSegments();
    expect(await offsetsOf([path])).toEqual(range(180, 200));
    expect(await offsetsOf([path, '-n', '3'])).toEqual([197, 198, 199]);
    expect(await offsetsOf([path, '-n', '0'])).toEqual([]);
    expect(await offsetsOf([path, '-n', '1000'])).toEqual(range(0, 200));
  });

  test('counts records that match, however far back they are', async () => {
    const path = await logOfSegments();
    expect(await offsetsOf([path, '-n', '3', '--key', '^key 4$'])).toEqual([174, 184, 194]);
    expect(await offsetsOf([path, '-n', '2', '--grep', '^value [12] '])).toEqual([1, 2]);
    expect(await offsetsOf([path, '-n', '5', '--grep', 'nothing like it'])).toEqual([]);
  });

  test('counts records, not the offsets of gaps', async () => {
    const path = await logOfSegments();
    const { stdout } = await runCli(['info', path, '--json']);
    const { segments } = JSON.parse(stdout) as { segments: readonly { file: string }[] };
    await flipByte(join(path, segments.at(-1)?.file ?? ''), SEGMENT_HEADER_BYTES + 150);
    const repaired = await runCli(['repair', path, '--yes', '--json']);
    const { gaps } = JSON.parse(repaired.stdout) as {
      gaps: readonly { firstOffset: number; nextOffset: number }[];
    };
    const lost = new Set(gaps.flatMap((gap) => range(gap.firstOffset, gap.nextOffset)));
    const kept = range(0, 200).filter((offset) => !lost.has(offset));
    expect(lost.size).toBeGreaterThan(0);
    expect(await offsetsOf([path, '-n', '30'])).toEqual(kept.slice(-30));
  });

  test('has the formats of cat', async () => {
    const path = await logOfSegments();
    const tail = await runCli(['tail', path, '-n', '2', '--json']);
    const cat = await runCli(['cat', path, '--from', '-2', '--json']);
    expect(tail.stdout).toBe(cat.stdout);
    expect(linesOf(tail.stdout)).toMatchObject([{ offset: 198 }, { offset: 199 }]);
  });

  test('of an empty log: nothing, exit 0', async () => {
    const path = join(await temporaryDirectory(), 'log');
    await (await openLog(path)).close();
    expect(await runCli(['tail', path])).toMatchObject({ exitCode: ExitCode.ok, stdout: '' });
  });

  test('at damage: exit 4, or past it with what was skipped on stderr', async () => {
    const path = await logOfSegments();
    await flipByte(join(path, FIRST_SEGMENT), SEGMENT_HEADER_BYTES + 200);
    expect(await runCli(['tail', path])).toMatchObject({ exitCode: ExitCode.ok }); // Not read.
    const all = ['tail', path, '-n', '200', ...OFFSETS];
    expect(await runCli(all)).toMatchObject({ exitCode: ExitCode.corrupt, stdout: '' });
    const skipped = await runCli([...all, '--on-corruption', 'skip']);
    expect(skipped.exitCode).toBe(ExitCode.corrupt);
    expect(
      skipped.stderr.match(/^skipped offsets 0 to \d+: damaged at byte 128 of /gm),
    ).toHaveLength(1);
    expect(skipped.stdout).toMatch(/^199$/m);
  });
});
