/** `varve compact` of the topics of a store, alone and beside the process that has it open. */
import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { ExitCode } from '../../tools/exit-codes.ts';
import { listSegmentFiles } from '../../tools/log-path.ts';
import { foldOf, openSuperseded, partitionPaths } from '../support/cli-compaction.ts';
import { flipByte } from '../support/cli-logs.ts';
import { orders, outputOf, traceOf } from '../support/cli-stores.ts';
import { runCli } from '../support/run-cli.ts';

const TITLES =
  'topic  partition  segments  bytes now  bytes then  superseded  tombstones  up to  because of\n';

async function superseded(): Promise<string> {
  const { path, store } = await openSuperseded();
  await store.close();
  return path;
}

async function jsonOf(path: string, ...rest: readonly string[]): Promise<unknown> {
  return JSON.parse(await outputOf('compact', path, ...rest, '--json'));
}

/** What a partition comes to. */
const DONE = { supersededCount: 278, segmentCount: 13, limitOffset: 288, passCount: 1 };

describe('a store that nobody has open', () => {
  test('all topics that are compacted: what would go, then it is gone', async () => {
    const path = await superseded();
    const before = await traceOf(path);
    expect(await outputOf('compact', path)).toBe(
      TITLES +
        'last           0        13   53.1 KiB    4.88 KiB         278      0 of 0    288  newest segment\n' +
        'last           1        13   53.1 KiB    4.88 KiB         278      0 of 0    288  newest segment\n' +
        'would free 96.4 KiB in 1 pass, needs 2.06 KiB free; nothing was changed, --yes compacts\n',
    );
    expect(await traceOf(path)).toEqual(before);
    const paths = await partitionPaths(path, 'last');
    const expected = await Promise.all(paths.map((one) => foldOf(one)));
    expect(await jsonOf(path, '--yes')).toMatchObject({
      path,
      topic: null,
      isDryRun: false,
      partitions: [
        {
          topic: 'last',
          partition: 0,
          result: { ...DONE, rewrittenSegmentCount: 13 },
          error: null,
        },
        {
          topic: 'last',
          partition: 1,
          result: { ...DONE, rewrittenSegmentCount: 13 },
          error: null,
        },
      ],
    });
    expect(await Promise.all(paths.map((one) => foldOf(one)))).toEqual(expected);
    expect(await outputOf('verify', path)).toContain('(556 compacted away in 26 segments)');
    expect(await outputOf('compact', path, '--yes')).toMatch(/\nnothing to compact; nothing was/);
  });

  test('one partition of a topic, and none of the others', async () => {
    const path = await superseded();
    const text = await outputOf('compact', path, 'last', '--partition', '1', '--yes');
    expect(text).toMatch(
      /^partition .*\n +1 +13 .*\ncompacted 13 segments in [\d.]+ m?s: 53.1 KiB/,
    );
    expect(await jsonOf(path, 'last')).toMatchObject({
      topic: 'last',
      partitions: [
        { partition: 0, result: { supersededCount: 278 } },
        { partition: 1, result: { supersededCount: 0 } },
      ],
    });
  });

  test('with a map for keys as small as it may be', async () => {
    const path = await superseded();
    expect(await jsonOf(path, 'last', '--map', '1MiB', '--yes')).toMatchObject({
      partitions: [{ result: DONE }, { result: DONE }],
    });
  });

  test('says when no topic of it is compacted', async () => {
    const path = await orders();
    for (const yes of [[], ['--yes']]) {
      const text = await outputOf('compact', path, ...yes);
      expect(text).toBe(`no topic of ${path} is compacted: nothing was changed\n`);
    }
  });

  test('a damaged partition does not hold up the others: exit code 4', async () => {
    const path = await superseded();
    const [first = ''] = await partitionPaths(path, 'last');
    const files = await listSegmentFiles(first);
    await flipByte(files[6]?.path ?? '', 700);
    const planned = await runCli(['compact', path, 'last', '--json']);
    expect(planned.exitCode).toBe(ExitCode.corrupt);
    expect(planned.stderr).toMatch(
      /^last\/0: damaged behind offset \d+; varve verify says where\n$/,
    );
    expect(JSON.parse(planned.stdout)).toMatchObject({
      partitions: [{ result: { limitedBy: 'damage', segmentCount: 6 } }, { result: DONE }],
    });
    const done = await runCli(['compact', path, 'last', '--yes']);
    expect(done.exitCode).toBe(ExitCode.corrupt);
    expect(done.stderr).toMatch(/^last\/0: .*00000000000\d+\.log/);
    expect(done.stdout).toMatch(/^partition .*\n +1 +13 .*\ncompacted 13 segments/);
    const again = await runCli(['compact', path, 'last', '--yes']);
    expect(again.stdout).toMatch(/^partition .*\n +1 +13 .*\nnothing to compact in these\n$/);
  });
});

describe('while a process has the store open', () => {
  test('a dry run asks it, and with --yes it compacts', async () => {
    const { path, store } = await openSuperseded();
    const topic = await store.topic('last');
    const before = await traceOf(path);
    expect(await jsonOf(path)).toMatchObject({
      isDryRun: true,
      partitions: [{ result: DONE }, { result: DONE }],
    });
    expect(await traceOf(path)).toEqual(before);
    expect(await topic.read({ partition: 0, offset: 3 })).not.toBeNull();
    const text = await outputOf('compact', path, 'last', '--yes');
    expect(text).toMatch(/\ncompacted 26 segments in [\d.]+ m?s: 106.2 KiB -> 1\d.\d+ KiB, 556 /);
    expect(await topic.read({ partition: 0, offset: 3 })).toBeNull();
    expect(store.compactions().map(({ state, why }) => [state, why])).toEqual([
      ['done', 'asked'],
      ['done', 'asked'],
    ]);
    const refused = await runCli(['compact', path, 'plain', '--yes']);
    expect(refused).toMatchObject({ exitCode: ExitCode.failure, stdout: '' });
  });

  test('its memory for keys is what it chose itself', async () => {
    const { path } = await openSuperseded();
    const refused = await runCli(['compact', path, 'last', '--map', '1MiB', '--yes']);
    expect(refused).toMatchObject({ exitCode: ExitCode.usage, stdout: '' });
    expect(refused.stderr).toContain('openStore({ compactionMapBytesMax })');
  });

  test('that does not listen: a dry run shows what is on disk, --yes is refused', async () => {
    const { path } = await openSuperseded();
    await unlink(join(path, 'control.sock'));
    expect(await jsonOf(path)).toMatchObject({ partitions: [{ result: DONE }, { result: DONE }] });
    const refused = await runCli(['compact', path, '--yes']);
    expect(refused).toMatchObject({ exitCode: ExitCode.locked, stdout: '' });
    expect(refused.stderr).toContain('that process does not listen on control.sock');
  });

  test('what goes wrong with a partition there is told, with its exit code', async () => {
    const { path } = await openSuperseded();
    const [, second = ''] = await partitionPaths(path, 'last');
    const files = await listSegmentFiles(second);
    await flipByte(files[6]?.path ?? '', 700);
    const done = await runCli(['compact', path, '--yes', '--json']);
    expect(done.exitCode).toBe(ExitCode.corrupt);
    expect(done.stderr).toMatch(/^last\/1: /);
    expect(JSON.parse(done.stdout)).toMatchObject({
      partitions: [
        { result: DONE, error: null },
        { result: null, error: { code: 'ERR_VARVE_CORRUPT' } },
      ],
    });
  });
});
