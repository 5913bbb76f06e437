/** Stores at the command line: run from dist, as a shell would. */
import { mkdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { nodeFileSystem } from '../../src/io/node-file-system.ts';
import { exitCodeOf } from '../../tools/store-health.ts';
import { ExitCode } from '../../tools/exit-codes.ts';
import { FIRST_SEGMENT, flipByte, linesOf } from '../support/cli-logs.ts';
import {
  appendToJournal,
  openOrders,
  orders,
  partitionOf,
  traceOf,
  varve,
} from '../support/cli-stores.ts';
import { runCli } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const journalSegment = (path: string): string => join(path, 'journal', FIRST_SEGMENT);

describe('topics', () => {
  test('create says what it would do, does it with --yes, and not again', async () => {
    const path = join(await temporaryDirectory(), 'store');
    const create = ['topics', 'create', path, 'clicks', '-p', '3', '--retention', '7d'];
    const dryRun = await varve(...create);
    expect(dryRun).toMatchObject({ exitCode: ExitCode.ok, stderr: '' });
    expect(dryRun.stdout).toContain(`would create topic clicks with 3 partitions in a new store`);
    expect((await varve('topics', 'ls', path)).exitCode).toBe(ExitCode.notFound);
    const done = await varve(...create, '--yes', '--json');
    expect(JSON.parse(done.stdout)).toMatchObject({
      name: 'clicks',
      isDryRun: false,
      isNewStore: true,
      partitionCount: 3,
      options: { durability: 'sync', retentionMs: 604_800_000 },
    });
    const listed = await varve('topics', 'ls', path, '--ndjson');
    expect(linesOf(listed.stdout)).toMatchObject([{ name: 'clicks', partitionCount: 3 }]);
    const again = await varve(...create);
    expect(again).toMatchObject({ exitCode: ExitCode.failure, stdout: '' });
    expect(again.stderr).toContain(`there is a topic clicks in ${path} already`);
  });

  test('ls and describe, beside the process that has the store open, write nothing', async () => {
    const { path } = await openOrders();
    const before = await traceOf(path);
    const listed = await varve('topics', 'ls', path);
    expect(listed).toMatchObject({ exitCode: ExitCode.ok, stderr: '' });
    expect(listed.stdout).toMatch(/^topic +partitions +offsets +bytes +durability +created\n/);
    expect(listed.stdout).toMatch(/\norders +2 +6 +[\d.]+ \w+ +sync +\d{4}-/);
    const described = await varve('topics', 'describe', path, 'orders', '--json');
    expect(JSON.parse(described.stdout)).toMatchObject({
      name: 'orders',
      groups: ['billing'],
      options: { durability: 'sync' },
      partitions: [
        { partition: 0, startOffset: 0, endOffset: 4, offsetCount: 4, damage: null },
        { partition: 1, startOffset: 0, endOffset: 2, offsetCount: 2, damage: null },
      ],
    });
    expect(await traceOf(path)).toEqual(before);
  });

  test('describe shows a table, and exits 4 for a partition whose tail is damaged', async () => {
    const path = await orders();
    const sound = await varve('topics', 'describe', path, 'orders');
    expect(sound.stdout).toMatch(/^topic +orders\nid +\d+\n/);
    expect(sound.stdout).toMatch(/\n +0 +0 +4 +4 +[\d.]+ \w+ +1 +\/.*\/0\n/);
    await flipByte(join(await partitionOf(path, 1), FIRST_SEGMENT), 150);
    const damaged = await varve('topics', 'describe', path, 'orders');
    expect(damaged.exitCode).toBe(ExitCode.corrupt);
    expect(damaged.stderr).toMatch(/^partition 1: damaged /);
  });
});

describe('groups', () => {
  test('ls and describe beside the owner', async () => {
    const { path } = await openOrders();
    const listed = await varve('groups', 'ls', path);
    expect(listed.stdout).toMatch(
      /^topic {3}group {4}lag {2}oldest unread\norders {2}billing {4}3 +\S.*\n$/,
    );
    const text = await varve('groups', 'describe', path, 'billing');
    expect(text).toMatchObject({ exitCode: ExitCode.ok, stderr: '' });
    expect(text.stdout).toMatch(
      /\n +0 +3 +0 +4 +1 +\S+ \w+\n +1 +- +0 +2 +2 +\S.*\n3 offsets behind\n$/,
    );
    const json = await varve('groups', 'describe', path, 'billing', '--topic', 'orders', '--json');
    expect(JSON.parse(json.stdout)).toMatchObject({
      topic: 'orders',
      name: 'billing',
      lag: 3,
      partitions: [
        { partition: 0, committedOffset: 3, lag: 1 },
        { partition: 1, committedOffset: null, lag: 2 },
      ],
    });
  });

  test('reset is a dry run, also beside the owner', async () => {
    const { path, store } = await openOrders();
    const reset = ['groups', 'reset', path, 'billing', '--to-earliest'];
    const before = await traceOf(path);
    const dryRun = await varve(...reset);
    expect(dryRun).toMatchObject({ exitCode: ExitCode.ok, stderr: '' });
    expect(dryRun.stdout).toMatch(/\n +0 +3 +0 +-3\n +1 +- +0 +new\n.*nothing was changed, --yes/);
    expect(await traceOf(path)).toEqual(before);
    await store.close();
    const done = await varve(...reset, '--yes', '--json');
    expect(JSON.parse(done.stdout)).toEqual({
      path,
      topic: 'orders',
      group: 'billing',
      isDryRun: false,
      partitions: [
        { partition: 0, from: 3, to: 0 },
        { partition: 1, from: null, to: 0 },
      ],
    });
    const described = await varve('groups', 'describe', path, 'billing', '--json');
    expect(JSON.parse(described.stdout)).toMatchObject({ lag: 6 });
  });

  test.each([
    [['--to-earliest'], 0],
    [['--to-latest'], 4],
    [['--to-current'], 3],
    [['--to-offset', '2'], 2],
    [['--to-offset', '99'], 4],
    [['--to-datetime', '1970-01-01T00:00:00.098Z'], 1],
    [['--to-datetime', '2100-01-01'], 4],
    [['--by-duration', '1h'], 4],
    [['--by-duration', 'PT90M'], 4],
    [['--by-duration', '99999d'], 0],
    [['--shift-by', '-2'], 1],
    [['--shift-by', '+1'], 4],
  ])('reset %j goes to offset %i', async (where, to) => {
    const path = await orders();
    const reset = ['groups', 'reset', path, 'billing', ...where, '--partitions', '0', '--json'];
    const { stdout } = await runCli(reset);
    expect(JSON.parse(stdout)).toMatchObject({
      isDryRun: true,
      partitions: [{ partition: 0, from: 3, to }],
    });
  });

  test('delete says what it would forget, and forgets it with --yes', async () => {
    const path = await orders();
    const dryRun = await varve('groups', 'delete', path, 'billing');
    expect(dryRun.stdout).toContain(
      'would delete group billing of topic orders, with positions in 1',
    );
    const done = await varve('groups', 'delete', path, 'billing', '--yes', '--json');
    expect(JSON.parse(done.stdout)).toMatchObject({
      isDryRun: false,
      positions: [{ partition: 0, offset: 3 }],
    });
    const listed = await varve('groups', 'ls', path);
    expect(listed).toMatchObject({ exitCode: ExitCode.ok, stdout: '' });
    expect(listed.stderr).toBe(`no consumer group in ${path}\n`);
  });

  test('long metadata is shortened in the table, and whole in JSON', async () => {
    const { path, store } = await openOrders();
    const topic = await store.topic('orders');
    const member = await topic.consumerGroup('billing');
    const metadata = 'sums\n'.repeat(500);
    await member.commit({ partition: 0, offset: 2 }, { metadata });
    const table = await runCli(['groups', 'describe', path, 'billing']);
    expect(table.exitCode).toBe(ExitCode.ok);
    expect(table.stdout).toContain(String.raw`  sums\nsums\nsums\nsums\nsums\nsums\nsum…` + '\n');
    expect(Math.max(...table.stdout.split('\n').map(({ length }) => length))).toBeLessThan(120);
    const all = await runCli(['groups', 'describe', path, 'billing', '--json']);
    expect(JSON.parse(all.stdout)).toMatchObject({ partitions: [{ metadata }, { metadata: '' }] });
  });

  test('a name that two topics have is asked about', async () => {
    const { path, store } = await openOrders();
    const other = await store.topic('returns');
    await other.resetGroup('billing', 'earliest', { dryRun: false });
    const unclear = await runCli(['groups', 'describe', path, 'billing']);
    expect(unclear.exitCode).toBe(ExitCode.usage);
    expect(unclear.stderr).toContain('topics orders, returns have a consumer group billing each');
    const clear = await runCli(['groups', 'describe', path, 'billing', '--topic', 'returns']);
    expect(clear.exitCode).toBe(ExitCode.ok);
    const one = await runCli(['groups', 'ls', path, '--topic', 'returns', '--json']);
    expect(JSON.parse(one.stdout)).toEqual({
      path,
      groups: [{ topic: 'returns', name: 'billing', lag: 0, oldestUnreadAgeMs: null }],
    });
  });
});

describe('journal dump', () => {
  test('prints every entry, as text and as JSON, beside the owner', async () => {
    const { path } = await openOrders();
    const text = await varve('journal', 'dump', path);
    expect(text).toMatchObject({ exitCode: ExitCode.ok, stderr: '' });
    const [created, reset, ...rest] = text.stdout.trimEnd().split('\n');
    expect(created).toMatch(
      /^ +0 {2}\d{4}-\S+Z {2}topic-created +topicId=\d+ name="orders" logIds=\[/,
    );
    expect(reset).toMatch(/^ +1 {2}\S+ {2}group-reset +topicId=\d+ group="billing" positions=\[/);
    expect(rest).toEqual([]);
    const lines = await varve('journal', 'dump', path, '--ndjson', '--from', '1');
    expect(linesOf(lines.stdout)).toMatchObject([
      { offset: 1, kind: 21, name: 'group-reset', version: 1, fields: { group: 'billing' } },
    ]);
    const document = await varve('journal', 'dump', path, '--json', '-n', '1');
    expect(JSON.parse(document.stdout)).toMatchObject({ path, entries: [{ offset: 0, kind: 10 }] });
  });

  test('shows entries of a newer version with their bytes, where the store does not open', async () => {
    const path = await orders();
    await appendToJournal(path, Uint8Array.of(99, 1, 0xab, 0xcd));
    await appendToJournal(path, Uint8Array.of(10, 7, 0xef));
    expect((await varve('topics', 'ls', path)).stderr).toContain('hint: a newer varve wrote this');
    const text = await varve('journal', 'dump', path, '--from', '2');
    expect(text.exitCode).toBe(ExitCode.ok);
    expect(text.stdout).toMatch(/unknown \(kind 99, version 1\) .*: 0x6301abcd\n/);
    expect(text.stdout).toMatch(/topic-created \(kind 10, version 7\) .*: 0x0a07ef\n/);
    const lines = await varve('journal', 'dump', path, '--ndjson', '--from', '2');
    expect(linesOf(lines.stdout)).toMatchObject([
      { kind: 99, name: null, fields: null, bytes: { base64: 'YwGrzQ==' } },
      { kind: 10, name: 'topic-created', version: 7, fields: null },
    ]);
  });

  test('prints a damaged journal up to the damage: exit 4', async () => {
    const path = await orders();
    const { sizeBytes } = await nodeFileSystem.stat(journalSegment(path));
    await flipByte(journalSegment(path), sizeBytes - 3); // In the last entry.
    expect((await varve('stats', path)).exitCode).toBe(ExitCode.corrupt);
    const text = await varve('journal', 'dump', path);
    expect(text.exitCode).toBe(ExitCode.corrupt);
    expect(text.stdout).toContain('topic-created');
    expect(text.stdout).not.toContain('group-reset');
    expect(text.stderr).toMatch(/^error: damaged batch at byte \d+ of .*journal/);
    const document = await varve('journal', 'dump', path, '--json');
    expect(JSON.parse(document.stdout)).toMatchObject({ entries: [{ offset: 0 }] });
    const skipped = await varve('journal', 'dump', path, '--on-corruption', 'skip');
    expect(skipped.exitCode).toBe(ExitCode.corrupt);
    expect(skipped.stderr).toMatch(/^skipped offsets 1 to 1: damaged at byte/);
  });

  test('an entry that no version writes is shown as it is: exit 4', async () => {
    const path = await orders();
    await appendToJournal(path, Uint8Array.of(13, 1, 5)); // A topic is deleted without a time.
    const text = await varve('journal', 'dump', path, '--from', '2');
    expect(text.exitCode).toBe(ExitCode.corrupt);
    expect(text.stdout).toMatch(
      /topic-deleting \(kind 13, version 1\) {2}it ends within a field: 0x0d0105/,
    );
  });

  test('works without store.json, which opening does not', async () => {
    const path = await orders();
    const file = join(path, 'store.json');
    const content = await readFile(file);
    await nodeFileSystem.unlink(file);
    expect((await varve('journal', 'dump', path)).stdout).toContain('topic-created');
    await writeFile(file, content);
    expect((await varve('stats', path)).exitCode).toBe(ExitCode.ok);
  });
});

describe('stats', () => {
  test('shows what is wrong, and what to do; a store that still works is no failure', async () => {
    const { path, store } = await openOrders();
    await store.close();
    const directory = join(await partitionOf(path, 0), 'quarantine');
    await mkdir(directory, { recursive: true });
    const cut = join(directory, 'cut');
    await writeFile(cut, '');
    await truncate(cut, 300 * 2 ** 20);
    const { exitCode, stdout } = await varve('stats', path);
    expect(exitCode).toBe(ExitCode.ok);
    expect(stdout).toMatch(
      /\nhealth +degraded\n +orders\/0 has 300\S* MiB in quarantine\n +look at/,
    );
  });

  test('a store that has failed is a failure', () => {
    expect(exitCodeOf({ status: 'failed', problems: [] })).toBe(ExitCode.failure);
    expect(exitCodeOf({ status: 'degraded', problems: [] })).toBe(ExitCode.ok);
  });

  test('shows how much there is and who has it', async () => {
    const { path, store } = await openOrders();
    const text = await varve('stats', path);
    expect(text).toMatchObject({ exitCode: ExitCode.ok, stderr: '' });
    expect(text.stdout).toMatch(
      /\ntopics +1 with 2 partitions\ngroups +1 with 0 members\noffsets +6\njournal +2 entries, /,
    );
    expect(text.stdout).toMatch(/\nlock +held by process \d+ on /);
    await store.close();
    const json = await varve('stats', path, '--json');
    expect(JSON.parse(json.stdout)).toMatchObject({
      topicCount: 1,
      partitionCount: 2,
      groupCount: 1,
      offsetCount: 6,
      journal: { startOffset: 0, endOffset: 2, segmentCount: 1 },
      lock: { state: 'free' },
      health: { status: 'ok', problems: [] },
    });
  });
});
