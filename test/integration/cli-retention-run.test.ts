/** `varve retention run`: what retention lets go of, at once, alone and beside the owner of a store. */
import { stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { ManualClock } from '../../src/core/clock.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/store.ts';
import type { StoreOptions } from '../../src/store/store-options.ts';
import type { TopicConfig } from '../../src/topic/topic-options.ts';
import type { StoreTopic } from '../../src/store/store-topic.ts';
import { InterruptedError } from '../../tools/command-error.ts';
import { ExitCode } from '../../tools/exit-codes.ts';
import { FIRST_SEGMENT, flipByte, logOfSegments } from '../support/cli-logs.ts';
import { orders, partitionOf, traceOf } from '../support/cli-stores.ts';
import { runCli, type CliResult } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** In 2001: by any policy of age it is old. */
const LONG_AGO_MS = 1e12;
/** It fills a segment. */
const VALUE = 'x'.repeat(1900);

interface OpenStore {
  readonly path: string;
  readonly store: Store;
}

async function newStore(options: StoreOptions = {}): Promise<OpenStore> {
  const path = join(await temporaryDirectory(), 'store');
  const store = await openStore(path, options);
  onTestFinished(() => store.close());
  return { path, store };
}

/** Topic `orders`, a record a segment: 10 in partition 0, 2 in partition 1. */
async function fill(store: Store, config: TopicConfig): Promise<StoreTopic<string>> {
  const topic = await store.topic('orders', {
    codec: utf8,
    partitions: 2,
    segmentBytesMax: 4096,
    ...(config.dedupWindowMs === undefined ? {} : { dedupWindowMs: config.dedupWindowMs }),
  });
  for (let id = 0; id < 10; id++) {
    const dedupId = config.dedupWindowMs === undefined ? undefined : String(id);
    await topic.append({ value: VALUE, dedupId }, { partition: 0 });
  }
  for (let id = 0; id < 2; id++) await topic.append({ value: VALUE }, { partition: 1 });
  await store.alterTopic('orders', config); // Last, for a log looks at it at each roll.
  return topic;
}

async function filled(config: TopicConfig, clock?: ManualClock): Promise<string> {
  const { path, store } = await newStore(clock === undefined ? {} : { clock });
  await fill(store, config);
  await store.close();
  return path;
}

/** Queue `email`, a record a segment: 10, of which the first five are settled. */
async function settle(store: Store): Promise<void> {
  const queue = await store.queue('email', { codec: utf8, partitions: 1, segmentBytesMax: 4096 });
  for (let count = 0; count < 10; count++) await queue.send(VALUE);
  for (const delivery of await queue.acquire({ max: 5 })) await delivery.ack();
}

function retention(path: string, ...rest: readonly string[]): Promise<CliResult> {
  return runCli(['retention', 'run', path, ...rest]);
}

/** What it prints, which must succeed and say nothing else. */
async function textOf(path: string, ...rest: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await retention(path, ...rest);
  expect({ exitCode, stderr }).toEqual({ exitCode: ExitCode.ok, stderr: '' });
  return stdout;
}

/** What `--json` prints. */
async function jsonOf(path: string, ...rest: readonly string[]): Promise<unknown> {
  return JSON.parse(await textOf(path, '--json', ...rest));
}

describe('retention run', () => {
  test('says what is too much, changes nothing, deletes it with --yes, and then nothing is due', async () => {
    const path = await filled({ retentionBytes: 4096 });
    const before = await traceOf(path);
    expect(await textOf(path)).toBe(
      'topic   partition  reason  segments     bytes\n' +
        'orders          0  size           8  17.8 KiB\n' +
        '8 segments, 17.8 KiB, would go; nothing was changed, --yes deletes them\n',
    );
    expect(await traceOf(path)).toEqual(before);
    expect(await textOf(path, 'orders', '--yes')).toBe(
      'partition  reason  segments     bytes  deleted\n' +
        '        0  size           8  17.8 KiB        8\n' +
        'deleted 8 of 8 segments of orders\n',
    );
    expect(await textOf(path, '--yes')).toBe('nothing is due: nothing was changed\n');
    expect(await textOf(path, 'orders')).toBe('nothing of orders is due: nothing was changed\n');
  });

  test('says by partition what is too old, and where it will begin', async () => {
    const path = await filled({ retentionMs: 86_400_000 }, new ManualClock(LONG_AGO_MS));
    const { size } = await stat(join(await partitionOf(path, 0), FIRST_SEGMENT));
    const due = (segmentCount: number, deletedCount: number) => [
      { reason: 'age', segmentCount, sizeBytes: segmentCount * size, deletedCount },
    ];
    const zero = {
      topic: 'orders',
      partition: 0,
      startOffset: 0,
      newStartOffset: 9,
      unfinished: [],
      isHeld: false,
      archiveTo: null,
      error: null,
    };
    const one = { ...zero, partition: 1, newStartOffset: 1 };
    expect(await jsonOf(path)).toEqual({
      path,
      topic: null,
      isDryRun: true,
      isStopped: false,
      partitions: [
        { ...zero, due: due(9, 0) },
        { ...one, due: due(1, 0) },
      ],
    });
    expect(await jsonOf(path, 'orders', '--yes')).toEqual({
      path,
      topic: 'orders',
      isDryRun: false,
      isStopped: false,
      partitions: [
        { ...zero, due: due(9, 9) },
        { ...one, due: due(1, 1) },
      ],
    });
    const info = await runCli(['cat', path, '--topic', 'orders', '--format', '%p %o\\n']);
    expect(info.stdout).toBe('0 9\n1 1\n');
  });

  test('lets go of what a queue has settled, and of nothing else of it', async () => {
    const { path, store } = await newStore();
    await settle(store);
    await store.close();
    expect(await textOf(path, 'email')).toBe(
      'partition  reason   segments     bytes\n' +
        '        0  settled         5  11.1 KiB\n' +
        '5 segments of email, 11.1 KiB, would go; nothing was changed, --yes deletes them\n',
    );
    expect(await textOf(path, '--yes')).toContain('deleted 5 of 5 segments\n');
    const waiting = await runCli(['queue', 'peek', path, 'email', '-n', '1', '--json']);
    expect(JSON.parse(waiting.stdout)).toMatchObject({ records: [{ offset: 5 }] });
  });

  test('leaves what is due and still needed', async () => {
    const path = await filled({ retentionBytes: 4096, dedupWindowMs: 3_600_000 });
    const { stdout } = await retention(path, '--yes');
    expect(stdout).toMatch(
      /\ndeleted 0 of 8 segments; the rest is still needed, or could not go\n$/,
    );
    expect(await jsonOf(path, '--yes')).toMatchObject({
      partitions: [
        { startOffset: 0, newStartOffset: 0, due: [{ segmentCount: 8, deletedCount: 0 }] },
        { due: [] },
      ],
    });
  });

  test('says which groups are not done with it, and for whom it stays', async () => {
    const { path, store } = await newStore();
    const topic = await fill(store, { retentionBytes: 4096 });
    await topic.resetGroup('billing', { offset: 3 }, { partitions: [0], dryRun: false });
    await store.close();
    expect(await textOf(path, 'orders')).toBe(
      'partition  reason  segments     bytes  unfinished  held by\n' +
        '        0  size           8  17.8 KiB  billing 5\n' +
        '8 segments of orders, 17.8 KiB, would go; nothing was changed, --yes deletes them\n',
    );
    await runCli(['topics', 'alter', path, 'orders', '--unfinished', 'wait', '--yes']);
    expect(await textOf(path, 'orders')).toBe(
      'partition  reason  segments     bytes  unfinished  held by\n' +
        '        0  size           8  17.8 KiB  billing 5   billing\n' +
        '8 segments of orders, 17.8 KiB, are due; nothing was changed, ' +
        '--yes deletes those that nobody holds by then\n',
    );
    expect(await textOf(path, 'orders', '--yes')).toBe(
      'partition  reason  segments     bytes  deleted  unfinished  held by\n' +
        '        0  size           8  17.8 KiB        3  billing 5   billing\n' +
        'deleted 3 of 8 segments of orders; the rest is still needed, or could not go\n',
    );
    expect(await jsonOf(path, 'orders')).toMatchObject({
      partitions: [
        {
          startOffset: 3,
          unfinished: [{ groupKind: 'consumer', group: 'billing', count: 5, firstOffset: 3 }],
          isHeld: true,
        },
        { unfinished: [], isHeld: false },
      ],
    });
  });

  test('names a partition that is damaged, does the others, and ends with exit code 4', async () => {
    const path = await filled({ retentionBytes: 0 });
    const last = join(await partitionOf(path, 0), '00000000000000000009.log');
    await flipByte(last, 200);
    const done = await retention(path, '--yes');
    expect(done.exitCode).toBe(ExitCode.corrupt);
    expect(done.stderr).toMatch(/^orders\/0: /);
    expect(done.stdout).toContain('deleted 1 of 1 segment\n');
  });
});

describe('while a process has the store open', () => {
  test('a dry run asks it and changes nothing, and with --yes it lets go', async () => {
    const { path, store } = await newStore();
    const topic = await fill(store, { retentionBytes: 4096 });
    await settle(store);
    const before = await traceOf(path);
    const dryRun = await textOf(path);
    expect(dryRun).toContain('email           0  settled         5');
    expect(dryRun).toContain('orders          0  size            8');
    expect(await traceOf(path)).toEqual(before);
    const done = await textOf(path, '--yes');
    expect(done).toMatch(/\ndeleted 13 of 13 segments\n$/);
    const starts = topic.partitions.opened().map(({ startOffset }) => startOffset);
    expect(starts).toEqual([8, 0]);
  });

  test('Ctrl-C between two topics: what came of the first is told all the same', async () => {
    const { path, store } = await newStore();
    await fill(store, { retentionBytes: 4096 });
    await store.topic('others');
    const stop = new AbortController();
    store.on('segments-deleted', () => stop.abort(new InterruptedError()));
    const args = ['retention', 'run', path, '--yes', '--json'];
    const stopped = await runCli(args, { signal: stop.signal });
    expect(stopped.exitCode).toBe(ExitCode.interrupted);
    expect(JSON.parse(stopped.stdout)).toMatchObject({
      isStopped: true,
      partitions: [
        { topic: 'orders', partition: 0, due: [{ reason: 'size', deletedCount: 8 }] },
        { topic: 'orders', partition: 1 },
      ],
    });
  });

  test('without --yes it shows what is on disk if that one does not listen, with --yes it is refused', async () => {
    const { path, store } = await newStore();
    await fill(store, { retentionBytes: 4096 });
    await unlink(join(path, 'control.sock'));
    expect(await textOf(path)).toContain('8 segments, 17.8 KiB, would go');
    const refused = await retention(path, '--yes');
    expect(refused).toMatchObject({ exitCode: ExitCode.locked, stdout: '' });
    expect(refused.stderr).toContain('that process does not listen on control.sock');
  });
});

describe('mistakes', () => {
  test('are told by their exit codes', async () => {
    const directory = await temporaryDirectory();
    const store = await orders();
    const log = await logOfSegments();
    const cases: readonly (readonly [readonly string[], ExitCode, string])[] = [
      [[log], ExitCode.usage, 'varve delete-records deletes records below an offset'],
      [[join(directory, 'none')], ExitCode.notFound, 'there is no store at'],
      [[join(store, 'store.json')], ExitCode.usage, 'is a file'],
      [[store, 'none'], ExitCode.notFound, 'there is no topic none'],
      [[store, 'orders', '--partition', '0'], ExitCode.usage, 'unknown option'],
    ];
    for (const [args, exitCode, message] of cases) {
      for (const yes of [[], ['--yes']]) {
        const refused = await runCli(['retention', 'run', ...args, ...yes]);
        expect({ args, exitCode: refused.exitCode }).toEqual({ args, exitCode });
        expect(refused.stderr).toContain(message);
        expect(refused.stdout).toBe('');
      }
    }
  });
});

describe('where a topic archives', () => {
  /** @returns a store that nobody has open, of which eight records are too much and not read */
  async function unread(): Promise<string> {
    const { path, store } = await newStore();
    const topic = await fill(store, {});
    await store.topic('late');
    await topic.resetGroup('billing', 'earliest', { partitions: [0], dryRun: false });
    const archive = { unfinished: 'archive', archiveTo: 'late', retentionBytes: 4096 } as const;
    await store.alterTopic('orders', archive);
    await store.close();
    return path;
  }

  test('a dry run says where to, that nobody holds it, and copies nothing', async () => {
    const path = await unread();
    const before = await traceOf(path);
    expect(await textOf(path, 'orders')).toBe(
      'partition  reason  segments     bytes  unfinished  held by  archived to\n' +
        '        0  size           8  17.8 KiB  billing 8            late\n' +
        '8 segments of orders, 17.8 KiB, would go; nothing was changed, ' +
        '--yes archives what is unfinished, and deletes them\n',
    );
    expect(await jsonOf(path, 'orders')).toMatchObject({
      partitions: [
        { unfinished: [{ group: 'billing', count: 8 }], isHeld: false, archiveTo: 'late' },
        { unfinished: [], isHeld: false, archiveTo: null },
      ],
    });
    expect(await traceOf(path)).toEqual(before);
  });

  test('--yes copies what is due first, and lets it go', async () => {
    const path = await unread();
    expect(await textOf(path, 'orders', '--yes')).toBe(
      'partition  reason  segments     bytes  deleted  unfinished  held by\n' +
        '        0  size           8  17.8 KiB        8  billing 8\n' +
        'deleted 8 of 8 segments of orders\n',
    );
    const copies = await runCli(['cat', path, '--topic', 'late', '--format', '%o\\n']);
    expect(copies.stdout).toBe('0\n1\n2\n3\n4\n5\n6\n7\n');
  });

  test('--yes says why nothing could be copied, and nothing goes', async () => {
    const path = await unread();
    const store = await openStore(path);
    await store.deleteTopic('late');
    await store.close();
    const planned = await retention(path, 'orders');
    expect(planned.stderr).toBe('orders/0: there is no topic late\n');
    expect(planned.stdout).toContain('17.8 KiB  billing 8   billing\n');
    expect(planned.stdout).toContain('--yes deletes those that nobody holds by then\n');
    const { exitCode, stdout, stderr } = await retention(path, 'orders', '--yes');
    expect(exitCode).toBe(planned.exitCode);
    expect(exitCode).not.toBe(ExitCode.ok);
    expect(stderr).toContain('orders/0: ');
    expect(stderr).toContain('late');
    expect(stdout).toContain('deleted 0 of 8 segments of orders; the rest is still needed');
  });
});
