/** `varve compact` of a log of its own: what it would do, what it does, and what it refuses. */
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';

import { openLog, utf8 } from '../../src/index.ts';
import { ExitCode } from '../../tools/exit-codes.ts';
import { listSegmentFiles } from '../../tools/log-path.ts';
import { foldOf, openSuperseded, supersededLog } from '../support/cli-compaction.ts';
import { contentsOf, flipByte } from '../support/cli-logs.ts';
import { outputOf } from '../support/cli-stores.ts';
import { runCli, type CliResult } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const ALL_OF_IT = {
  cleanOffset: 0,
  limitOffset: 288,
  limitedBy: 'active-segment',
  segmentCount: 13,
  bytesBefore: 54_372,
  keyCount: 10,
  supersededCount: 278,
  passCount: 1,
};

function compact(path: string, ...rest: readonly string[]): Promise<CliResult> {
  return runCli(['compact', path, '--key', ...rest]);
}

interface Answer {
  readonly isDryRun: boolean;
  readonly partitions: readonly { readonly result: Readonly<Record<string, unknown>> }[];
}

/** What `--json` prints. */
async function answerOf(path: string, ...rest: readonly string[]): Promise<Answer> {
  return JSON.parse(await outputOf('compact', path, '--key', '--json', ...rest)) as Answer;
}

describe('a log of its own', () => {
  test('a dry run says what would go and changes nothing, and with --yes it goes', async () => {
    const { path, expected } = await supersededLog();
    const before = await contentsOf(path);
    const planned = await answerOf(path);
    expect(planned).toMatchObject({
      isDryRun: true,
      partitions: [{ topic: null, partition: 0, result: ALL_OF_IT, error: null }],
    });
    expect(await contentsOf(path)).toEqual(before);
    const done = await answerOf(path, '--yes');
    expect(done).toMatchObject({
      isDryRun: false,
      partitions: [{ result: { ...ALL_OF_IT, rewrittenSegmentCount: 13 } }],
    });
    expect(await foldOf(path)).toEqual(expected);
    const { stdout } = await runCli(['verify', path, '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ isSound: true, removedCount: 278 });
    const sizes = (await listSegmentFiles(path)).slice(0, -1).map(({ sizeBytes }) => sizeBytes);
    expect(done.partitions[0]?.result['bytesAfter']).toBe(sizes.reduce((sum, one) => sum + one, 0));
  });

  test('in words: a table, and what it comes to', async () => {
    const { path } = await supersededLog();
    expect(await outputOf('compact', path, '--key')).toBe(
      'partition  segments  bytes now  bytes then  superseded  tombstones  up to  because of\n' +
        '        0        13   53.1 KiB    4.88 KiB         278      0 of 0    288  newest segment\n' +
        'would free 48.2 KiB in 1 pass, needs 2.06 KiB free; nothing was changed, --yes compacts\n',
    );
    expect(await outputOf('compact', path, '--key', '--yes')).toMatch(
      /\ncompacted 13 segments in [\d.]+ m?s: 53.1 KiB -> 6.\d+ KiB, 278 records superseded, 0 tombstones dropped\n$/,
    );
    for (const yes of [[], ['--yes']]) {
      const again = await outputOf('compact', path, '--key', ...yes);
      expect(again).toMatch(/\nnothing to compact; nothing was changed\n$/);
    }
  });

  test('deletions go when they are old enough; records without a key stay, and are counted', async () => {
    const { path } = await supersededLog();
    const log = await openLog(path, { codec: utf8, segmentBytesMax: 4096 });
    await log.append({ key: 'key 1', value: null });
    await log.append({ value: 'x'.repeat(4096) });
    await log.append({ key: 'key 2', value: 'x'.repeat(4096) });
    await log.close();
    const young = await answerOf(path, '--yes');
    expect(young.partitions[0]?.result).toMatchObject({
      tombstoneCount: 1,
      droppedTombstoneCount: 0,
    });
    const retention = ['--tombstone-retention', '0s'];
    expect(await outputOf('compact', path, '--key', ...retention)).toMatch(
      / 1 of 1 .*\nwould free/,
    );
    const text = await outputOf('compact', path, '--key', '--yes', ...retention);
    expect(text).toMatch(/, 0 records superseded, 1 tombstone dropped\n$/);
    expect([...(await foldOf(path)).keys()]).not.toContain('key 1');
    const fresh = await supersededLog();
    const keyless = await openLog(fresh.path, { codec: utf8, segmentBytesMax: 4096 });
    await keyless.append({ value: 'x'.repeat(4096) });
    await keyless.append({ value: 'y' });
    await keyless.close();
    const counted = await outputOf('compact', fresh.path, '--key', '--yes');
    expect(counted).toContain('\n1 record without a key: they all stay\n');
  });

  test('what got a record lately can be left alone', async () => {
    const { path } = await supersededLog();
    const text = await outputOf('compact', path, '--key', '--compaction-lag-min', '1h', '--yes');
    expect(text).toMatch(/ 0  too young\nnothing to compact; nothing was changed\n$/);
  });

  test('a dry run works beside the process that writes, --yes is refused with exit code 5', async () => {
    const { path } = await supersededLog();
    const writer = await openLog(path, { codec: utf8, create: false });
    onTestFinished(() => writer.close());
    expect((await answerOf(path)).partitions[0]?.result).toMatchObject(ALL_OF_IT);
    const refused = await compact(path, '--yes');
    expect(refused).toMatchObject({ exitCode: ExitCode.locked, stdout: '' });
    expect(refused.stderr).toContain('one process writes at a time');
    expect((await writer.append({ value: 'still here' })).offset).toBe(300);
  });

  test('a damaged segment is left as it is, with all behind it: exit code 4', async () => {
    const { path, expected } = await supersededLog();
    const files = await listSegmentFiles(path);
    await flipByte(files[6]?.path ?? '', 700);
    const before = await contentsOf(path);
    const limit = { limitedBy: 'damage', limitOffset: files[6]?.baseOffset, segmentCount: 6 };
    const planned = await compact(path, '--json');
    expect(planned.exitCode).toBe(ExitCode.corrupt);
    expect(planned.stderr).toMatch(/^damaged behind offset \d+; varve verify says where\n$/);
    expect(JSON.parse(planned.stdout)).toMatchObject({ partitions: [{ result: limit }] });
    expect(await contentsOf(path)).toEqual(before);
    const done = await compact(path, '--yes');
    expect(done).toMatchObject({ exitCode: ExitCode.corrupt, stdout: '' });
    expect(done.stderr).toMatch(
      /\nhint: what was rewritten stays; varve verify <dir> lists all damage\n$/,
    );
    const again = await compact(path, '--yes', '--json');
    expect(again.exitCode).toBe(ExitCode.corrupt);
    expect(JSON.parse(again.stdout)).toEqual({
      path,
      topic: null,
      isDryRun: false,
      isStopped: false,
      partitions: [
        {
          topic: null,
          partition: 0,
          result: null,
          error: { code: 'ERR_VARVE_CORRUPT', message: again.stderr.split('\n')[0] },
        },
      ],
    });
    const after = await contentsOf(path);
    const changed = files.filter(({ name }) => after[name] !== before[name]);
    expect(changed.map(({ name }) => name)).toEqual(files.slice(0, 6).map(({ name }) => name));
    expect(await foldOf(path, files[7]?.baseOffset)).toEqual(expected);
  });

  test('that cannot be opened, for its end is damaged, is one that failed', async () => {
    const { path } = await supersededLog();
    const { path: newest = '' } = (await listSegmentFiles(path)).at(-1) ?? {};
    await flipByte(newest, 5); // The header: no tail is torn there.
    const sizes = async () => (await listSegmentFiles(path)).map(({ sizeBytes }) => sizeBytes);
    const before = await sizes();
    for (const yes of [[], ['--yes']]) {
      const refused = await compact(path, '--json', ...yes);
      expect(refused.exitCode).toBe(ExitCode.corrupt);
      expect(refused.stderr).toContain(newest);
      expect(JSON.parse(refused.stdout)).toMatchObject({
        partitions: [{ result: null, error: { code: 'ERR_VARVE_CORRUPT' } }],
      });
    }
    expect(await sizes()).toEqual(before);
  });

  test('how far it is shows on a terminal, and is quiet with --quiet', async () => {
    const { path } = await supersededLog();
    const slow = ['compact', path, '--key', '--rate', '64KiB'];
    const { stderr } = await runCli(slow, { isTTY: true });
    const [, line, ...rest] = stderr.split('\r\u001B[2K'); // What clears the one before.
    expect(line).toMatch(/^comparing \[[#.]{24}\] [\d.]+ K?i?B of 53.1 KiB$/);
    expect(rest.at(-1)).toBe('');
    expect((await runCli([...slow, '--quiet'], { isTTY: true })).stderr).toBe('');
  });
});

describe('mistakes', () => {
  test('are told by their exit codes, and nothing is done', async () => {
    const { path } = await supersededLog();
    const { path: store, store: open } = await openSuperseded();
    await open.close();
    const before = [await contentsOf(path), await contentsOf(store)];
    const none = join(await temporaryDirectory(), 'none');
    const file = join(path, '00000000000000000000.log');
    const cases: readonly (readonly [readonly string[], ExitCode, string])[] = [
      [[path], ExitCode.usage, '--key has it keep the last record of each key'],
      [[path, 'last', '--key'], ExitCode.usage, 'is a log of its own: it has no topics'],
      [[path, '--key', '--partition', '0'], ExitCode.usage, 'no partitions'],
      [[path, '--key', '--rate', '1'], ExitCode.usage, 'Expected at least 64KiB.'],
      [[path, '--key', '--rate', 'fast'], ExitCode.usage, 'Expected a size such as 64MiB.'],
      [[path, '--key', '--map', '2GiB'], ExitCode.usage, 'Expected 1MiB to 1GiB.'],
      [[none, '--key'], ExitCode.notFound, 'there is no log at'],
      [[file, '--key'], ExitCode.usage, 'is a file, not a log directory'],
      [[store, '--key'], ExitCode.usage, '--key is for a log of its own'],
      [
        [store, '--tombstone-retention', '1d'],
        ExitCode.usage,
        '--tombstone-retention is for a log',
      ],
      [[store, '--compaction-lag-min', '1d'], ExitCode.usage, '--compaction-lag-min is for a log'],
      [[store, '--partition', '0'], ExitCode.usage, '--partition needs the name of a topic'],
      [[store, 'last', '--partition', '2'], ExitCode.usage, 'has partitions 0 to 1, not 2'],
      [[store, 'none'], ExitCode.notFound, 'there is no topic none'],
      [[store, 'plain'], ExitCode.failure, 'plain --compaction key --yes has it keep the last one'],
    ];
    for (const [args, exitCode, message] of cases) {
      for (const yes of [[], ['--yes']]) {
        const refused = await runCli(['compact', ...args, ...yes]);
        expect({ args, exitCode: refused.exitCode }).toEqual({ args, exitCode });
        expect(refused.stderr).toContain(message);
        expect(refused.stdout).toBe('');
      }
    }
    expect(await contentsOf(path)).toEqual(before[0]);
    const changed = Object.entries(await contentsOf(store)).filter(
      ([name, content]) => name.startsWith('topics') && before[1]?.[name] !== content,
    );
    expect(changed).toEqual([]);
  });
});
