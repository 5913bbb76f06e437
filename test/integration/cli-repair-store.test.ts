/** `varve repair <store>`, and with `--topic`, as a user runs it. */
import { appendFile, cp, readFile, rm, truncate } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { ExitCode } from '../../tools/exit-codes.ts';
import { FIRST_SEGMENT, flipByte, linesOf } from '../support/cli-logs.ts';
import { openOrders, orders, partitionOf, traceOf, varve } from '../support/cli-stores.ts';
import { commit } from '../support/commit-bench.ts';
import { runCli } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** A byte of the first batch of a log. */
const IN_FIRST_BATCH = 150;
const ORDERS = ['--topic', 'orders'];

async function damage(log: string): Promise<void> {
  await flipByte(join(log, FIRST_SEGMENT), IN_FIRST_BATCH);
}

interface Damaged {
  readonly path: string;
  /** Directories of the partitions, relative to the store. */
  readonly places: readonly [string, string];
}

/** Of each log the first batch is damaged: in partition 1 that is all there is. */
async function damagedOrders(): Promise<Damaged> {
  const path = await orders();
  const first = await partitionOf(path, 0);
  const second = await partitionOf(path, 1);
  for (const log of [first, second, join(path, 'journal')]) await damage(log);
  return { path, places: [relative(path, first), relative(path, second)] };
}

/** As a power cut leaves it that took the last record of partition 0, which the journal has. */
async function lackingCommit(): Promise<string> {
  const { path: original, store } = await openOrders();
  const topic = await store.topic('orders', { codec: utf8 });
  await commit({ store, topic }, [['committed'], []]);
  const path = join(await temporaryDirectory(), 'copy');
  await cp(original, path, {
    recursive: true,
    filter: (name) => basename(name) !== 'control.sock',
  });
  const partition = join(path, relative(original, await partitionOf(original, 0)));
  const last = (await batchesOf(partition)).at(-1);
  await truncate(join(partition, FIRST_SEGMENT), Number(last?.['position']));
  await damage(partition);
  const entry = (await batchesOf(join(path, 'journal')))[1]; // Positions of the group.
  await flipByte(join(path, 'journal', FIRST_SEGMENT), Number(entry?.['position']) + 30);
  return path;
}

async function batchesOf(log: string): Promise<Record<string, unknown>[]> {
  const { stdout } = await runCli(['dump', log, '--ndjson']);
  return linesOf(stdout).filter(({ type }) => type === 'batch');
}

describe('a store', () => {
  test('that is sound is not written to', async () => {
    const path = await orders();
    const before = await traceOf(path);
    for (const yes of [[], ['--yes']]) {
      const { exitCode, stdout } = await runCli(['repair', path, ...yes]);
      expect({ exitCode, stdout }).toEqual({
        exitCode: ExitCode.ok,
        stdout: 'nothing to repair in 3 logs\n',
      });
    }
    expect(await traceOf(path)).toEqual(before);
  });

  test('says what is lost in each log, changes nothing, and does it with --yes', async () => {
    const { path, places } = await damagedOrders();
    const before = await traceOf(path);
    const dry = await runCli(['repair', path]);
    expect(dry.exitCode).toBe(ExitCode.corrupt);
    const blocks = dry.stdout.split('\n\n');
    expect(blocks).toHaveLength(4);
    expect(blocks[0]).toMatch(
      /^topics\/orders-[0-9a-f]{14}\/0:\ndamaged 0+\.log byte 128: batch, /,
    );
    expect(blocks[0]).toMatch(
      /\n1 of 4 offsets would be lost; nothing was changed, --yes repairs$/,
    );
    expect(blocks[1]).toMatch(new RegExp(`^${places[1]}:\n(?:.*\n)*2 of 2 offsets would be lost`));
    expect(blocks[2]).toMatch(/^journal:\ndamaged (?:.*\n)*1 entry of the journal would be lost/);
    expect(blocks[3]).toBe('3 of 3 logs would be repaired; nothing was changed, --yes repairs\n');
    expect(await traceOf(path)).toEqual(before);

    const done = await varve('repair', path, '--adopt', '--yes');
    expect(done.exitCode).toBe(ExitCode.ok);
    expect(done.stdout).toContain('\nrepaired: 1 of 4 offsets lost; ');
    expect(done.stdout).toContain('\nadopted topic orders, 2 partitions, in ');
    expect(done.stdout).toContain('\nrepaired: 1 entry of the journal lost; ');
    expect(done.stdout).toMatch(/\nrepaired 3 of 3 logs\n$/);
    expect((await runCli(['verify', path])).exitCode).toBe(ExitCode.ok);
    expect((await runCli(['cat', path, ...ORDERS])).stdout).toBe('b\nc\nd\n');
    const again = await runCli(['repair', path]);
    expect(again.exitCode).toBe(ExitCode.ok);
    expect(again.stdout).toMatch(/^gap {5}offsets 0 to 0 .*, lost before\nnothing to repair: /m);
    expect(again.stdout).toMatch(/\nnothing to repair in 3 logs\n$/);
  });

  test('of which one log is damaged: the others stay as they are', async () => {
    const path = await orders();
    const partition = await partitionOf(path, 0);
    await damage(partition);
    const before = await traceOf(path);
    const { exitCode, stdout } = await runCli(['repair', path, '--yes']);
    expect(exitCode).toBe(ExitCode.ok);
    expect(stdout).toMatch(/\n\nrepaired 1 of 3 logs\n$/);
    const after = await traceOf(path);
    const changed = Object.keys(after).filter((name) => after[name] !== before[name]);
    const place = relative(path, partition);
    expect(changed).toContain(join(place, FIRST_SEGMENT));
    expect(changed.filter((name) => !name.startsWith(`${place}/`))).toEqual([]);
  });

  test('whose journal is whole, and has no entry of a topic: --adopt takes it up', async () => {
    const { path, places } = await damagedOrders();
    await runCli(['repair', path, '--yes']);
    const seen = await runCli(['repair', path]);
    expect(seen.stdout).toMatch(/^journal:\nunknown topic orders, .*: --adopt takes it up\n/m);
    expect(seen.stdout).toMatch(/\nnothing to repair in 3 logs\n$/);
    const before = await traceOf(path);
    const dry = await runCli(['repair', path, '--adopt']);
    expect(dry.exitCode).toBe(ExitCode.ok);
    expect(dry.stdout).toMatch(
      new RegExp(`^would adopt topic orders, .* in ${dirname(places[0])}$`, 'm'),
    );
    expect(dry.stdout).toMatch(/\n1 of 3 logs would be repaired; nothing was changed, /);
    expect(await traceOf(path)).toEqual(before);
    const done = await runCli(['repair', path, '--adopt', '--yes', '--json']);
    expect(JSON.parse(done.stdout)).toMatchObject({ journal: { unknown: [{ isAdopted: true }] } });
    expect((await runCli(['topics', 'ls', path])).stdout).toContain('orders');
  });

  test('of which a damaged log lacks records of a commit: both are repaired, as said before', async () => {
    const path = await lackingCommit();
    const alone = await runCli(['repair', path, '--journal']);
    expect(alone).toMatchObject({ exitCode: ExitCode.corrupt, stdout: '' });
    const dry = await runCli(['repair', path, '--json']);
    const { logs, journal } = JSON.parse(dry.stdout) as { logs: object[]; journal: object };
    expect(logs).toMatchObject([{ lostOffsetCount: 1 }, { lostOffsetCount: 0 }]);
    expect(journal).toMatchObject({ lost: [{ firstOffset: 1, nextOffset: 2 }] });
    const done = await runCli(['repair', path, '--yes']);
    expect(done.exitCode).toBe(ExitCode.ok);
    expect(done.stdout).toMatch(/\nrepaired 2 of 3 logs\n$/);
    expect((await runCli(['verify', path])).exitCode).toBe(ExitCode.ok);
    expect((await runCli(['cat', path, ...ORDERS])).stdout).toBe('b\nc\nd\ncommitted\nx\ny\n');
  });

  test('whose journal is gone is not touched', async () => {
    const { path } = await damagedOrders();
    await rm(join(path, 'journal'), { recursive: true });
    const before = await traceOf(path);
    const refused = await runCli(['repair', path, '--yes']);
    expect(refused).toMatchObject({ exitCode: ExitCode.corrupt, stdout: '' });
    expect(refused.stderr).toMatch(/the journal of .* is gone, .*\nhint: varve ls lists the dir/);
    expect(await traceOf(path)).toEqual(before);
  });

  test('with a torn tail alone: no damage, and it is cut off', async () => {
    const path = await orders();
    const partition = await partitionOf(path, 1);
    await appendFile(join(partition, FIRST_SEGMENT), 'torn');
    const dry = await runCli(['repair', path]);
    expect(dry.exitCode).toBe(ExitCode.ok);
    expect(dry.stdout).toContain('\ncut     4 B of a torn tail, never acknowledged as synced\n');
    expect(dry.stdout).toMatch(/\n1 of 3 logs would be repaired; /);
    const done = await runCli(['repair', path, '--yes']);
    expect(done.stdout).toMatch(/\nrepaired 1 of 3 logs\n$/);
    expect((await runCli(['repair', path])).stdout).toBe('nothing to repair in 3 logs\n');
  });

  test('--json and --gaps: of all of its logs', async () => {
    const { path, places } = await damagedOrders();
    const dry = await runCli(['repair', path, '--json']);
    expect(dry.exitCode).toBe(ExitCode.corrupt);
    const expected = {
      path,
      logs: [
        { path: join(path, places[0]), lostOffsetCount: 1, gaps: [{ lost: 'now' }] },
        { path: join(path, places[1]), lostOffsetCount: 2, gaps: [{ lost: 'now' }] },
      ],
      journal: { path, lost: [{ firstOffset: 0, nextOffset: 1 }], unknown: [{ name: 'orders' }] },
    };
    expect(JSON.parse(dry.stdout)).toMatchObject({ ...expected, isDryRun: true });
    const list = join(await temporaryDirectory(), 'gaps.ndjson');
    const done = await runCli(['repair', path, '--yes', '--json', '--gaps', list]);
    expect(JSON.parse(done.stdout)).toMatchObject({ ...expected, isDryRun: false });
    expect(linesOf(await readFile(list, 'utf8'))).toMatchObject([
      { lost: 'now', firstOffset: 0, nextOffset: 1, file: join(path, places[0], FIRST_SEGMENT) },
      { lost: 'now', firstOffset: 0, nextOffset: 2, file: join(path, places[1], FIRST_SEGMENT) },
    ]);
  });

  test('--prune-quarantine: of all of its logs', async () => {
    const { path, places } = await damagedOrders();
    await runCli(['repair', path, '--yes']);
    const dry = await runCli(['repair', path, '--prune-quarantine']);
    expect(dry.stdout).toMatch(/^would delete journal\/quarantine\/\S+, \d+ B$/m);
    expect(dry.stdout).toContain(`\nwould delete ${places[1]}/quarantine/`);
    const { stdout } = await runCli(['repair', path, '--prune-quarantine', '--yes']);
    expect(stdout.replaceAll('deleted ', 'would delete ')).toContain(
      dry.stdout.slice(0, dry.stdout.lastIndexOf('\n', dry.stdout.length - 2)),
    );
    const left = await runCli(['repair', path, '--prune-quarantine']);
    expect(left.stdout).toBe('0 files, 0 B; nothing was changed, --yes deletes\n');
  });
});

describe('--topic', () => {
  test('with a partition is the repair of its log, with all options', async () => {
    const path = await orders();
    const partition = await partitionOf(path, 0);
    await damage(partition);
    await damage(await partitionOf(path, 1));
    const args = ['repair', path, ...ORDERS, '--partition', '0'];
    const dry = await runCli(args);
    expect(dry.exitCode).toBe(ExitCode.corrupt);
    expect(dry.stdout).toBe((await runCli(['repair', partition])).stdout);
    const copy = join(await temporaryDirectory(), 'copy');
    const copied = await runCli([...args, '--to', copy, '--yes']);
    expect(copied.exitCode).toBe(ExitCode.ok);
    expect((await runCli(['cat', copy])).stdout).toBe('b\nc\nd\n');
    const list = join(await temporaryDirectory(), 'gaps.ndjson');
    const done = await varve(...args, '--yes', '--json', '--gaps', list);
    expect(done.exitCode).toBe(ExitCode.ok);
    expect(JSON.parse(done.stdout)).toMatchObject({ path: partition, lostOffsetCount: 1 });
    expect(linesOf(await readFile(list, 'utf8'))).toHaveLength(1);
    expect((await runCli([...args, '--prune-quarantine'])).stdout).toMatch(
      /^would delete 0+\.log@/,
    );
    const verified = await runCli(['verify', path, '--json']);
    const { damage: found } = JSON.parse(verified.stdout) as { damage: { file: string }[] };
    const other = join(await partitionOf(path, 1), FIRST_SEGMENT);
    expect(new Set(found.map(({ file }) => file))).toEqual(new Set([other]));
  });

  test('alone is all of its partitions, and nothing else', async () => {
    const path = await orders();
    await runCli(['topics', 'create', path, 'others', '--yes']);
    await damage(await partitionOf(path, 0));
    await damage(await partitionOf(path, 1));
    expect((await runCli(['repair', path, '--topic', 'others'])).stdout).toMatch(
      /^nothing to repair: 0 offsets/,
    );
    const dry = await runCli(['repair', path, ...ORDERS]);
    expect(dry.exitCode).toBe(ExitCode.corrupt);
    expect(dry.stdout).toMatch(/\n\n2 of 2 logs would be repaired; nothing was changed, /);
    const done = await runCli(['repair', path, ...ORDERS, '--yes', '--json']);
    expect(JSON.parse(done.stdout)).toMatchObject({ logs: [{}, {}], journal: null });
    expect((await runCli(['verify', path])).exitCode).toBe(ExitCode.ok);
  });

  test.each([
    [['--topic', 'none'], ExitCode.notFound, 'there is no topic none in'],
    [[...ORDERS, '--partition', '2'], ExitCode.usage, 'partitions 0 to 1, not 2'],
    [['--partition', '1'], ExitCode.usage, '--partition needs --topic'],
    [[...ORDERS, '--to', 'copy'], ExitCode.usage, '--to is for one log: choose one with'],
    [['--to', 'copy'], ExitCode.usage, '--to is for one log: choose one with'],
    [[...ORDERS, '--journal'], ExitCode.usage, "'--journal' cannot be used with option '--topic"],
  ])('%j is refused', async (args, exitCode, message) => {
    const path = await orders();
    const before = await traceOf(path);
    const refused = await runCli(['repair', path, ...args]);
    expect(refused).toMatchObject({ exitCode, stdout: '' });
    expect(refused.stderr).toContain(message);
    expect(await traceOf(path)).toEqual(before);
  });
});

test.each([
  { args: [] },
  { args: ['--yes'] },
  { args: ORDERS },
  { args: [...ORDERS, '--partition', '0', '--yes'] },
  { args: ['--prune-quarantine', '--yes'] },
])('is refused while the store is open: $args', async ({ args }) => {
  const { path } = await openOrders();
  const before = await traceOf(path);
  const refused = await varve('repair', path, ...args);
  expect(refused).toMatchObject({ exitCode: ExitCode.locked, stdout: '' });
  expect(refused.stderr).toMatch(/is locked by process \d+/);
  expect(await traceOf(path)).toEqual(before);
});
