/** `varve repair <store> --journal`, as a user runs it. */
import { join } from 'node:path';
import { expect, test } from 'vitest';

import { ExitCode } from '../../tools/exit-codes.ts';
import { flipByte, FIRST_SEGMENT } from '../support/cli-logs.ts';
import { appendToJournal, openOrders, orders, traceOf, varve } from '../support/cli-stores.ts';
import { runCli } from '../support/run-cli.ts';

/** A byte of the first batch, which holds the creation of the topic. */
const IN_FIRST_ENTRY = 150;

async function damagedOrders(): Promise<string> {
  const path = await orders();
  await flipByte(join(path, 'journal', FIRST_SEGMENT), IN_FIRST_ENTRY);
  return path;
}

test('a sound journal: nothing to repair', async () => {
  const { exitCode, stdout } = await runCli(['repair', await orders(), '--journal']);
  expect(exitCode).toBe(ExitCode.ok);
  expect(stdout).toBe('nothing to repair: all of the journal can be read\n');
});

test('says what is lost, changes nothing, and does it with --yes', async () => {
  const path = await damagedOrders();
  expect((await runCli(['topics', 'ls', path])).exitCode).toBe(ExitCode.corrupt);
  const before = await traceOf(path);
  const dry = await runCli(['repair', path, '--journal']);
  expect(dry.exitCode).toBe(ExitCode.corrupt);
  expect(dry.stdout).toMatch(/^damaged 0+\.log byte 128: batch, offsets 0 to 0: /);
  expect(dry.stdout).toContain('\nlost entries 0 to 0 (1 entry): entries of the journal are ');
  expect(dry.stdout).toMatch(
    /\nunknown topic orders, 2 partitions, in topics\/orders-[0-9a-f]{14}: --adopt takes it up\n/,
  );
  expect(dry.stdout).toMatch(/\nwould keep journal\/quarantine\/\S+, \d+ B\n/);
  expect(dry.stdout).toContain(
    '\n1 entry of the journal would be lost; nothing was changed, --yes repairs\n',
  );
  expect(await traceOf(path)).toEqual(before);

  const done = await varve('repair', path, '--journal', '--adopt', '--yes');
  expect(done).toMatchObject({ exitCode: ExitCode.ok, stderr: '' });
  expect(done.stdout).toContain('\nadopted topic orders, 2 partitions, in topics/orders-');
  expect(done.stdout).toContain('\nrepaired: 1 entry of the journal lost; ');
  expect((await runCli(['verify', path])).exitCode).toBe(ExitCode.ok);
  expect((await runCli(['topics', 'ls', path])).stdout).toContain('orders');
  const group = await runCli(['groups', 'describe', path, 'billing', '--json']);
  expect(JSON.parse(group.stdout)).toMatchObject({ partitions: [{ committedOffset: 3 }, {}] });
  expect((await runCli(['repair', path, '--journal'])).stdout).toContain('nothing to repair');
});

test('--json: all of it, also what each partition holds', async () => {
  const path = await orders();
  const nobodysEnd = Uint8Array.of(14, 1, 5);
  await appendToJournal(path, nobodysEnd);
  await appendToJournal(path, Uint8Array.of(14, 0)); // No entry, though its checksum is right.
  const { exitCode, stdout } = await runCli(['repair', path, '--journal', '--json']);
  expect(exitCode).toBe(ExitCode.corrupt);
  expect(JSON.parse(stdout)).toMatchObject({
    path,
    isDryRun: true,
    damage: [],
    lost: [
      { firstOffset: 3, nextOffset: 4, reason: expect.stringContaining('version 0') as string },
    ],
    misfitCount: 1,
    firstMisfit: { offset: 2, kind: 'topic-deleted', reason: 'topic 5 is not there' },
    unknown: [],
    partitions: [
      { topic: 'orders', partition: 0, syncedOffset: 4, namedOffset: 3 },
      { topic: 'orders', partition: 1, syncedOffset: 2, namedOffset: 0 },
    ],
  });
  expect((await varve('repair', path, '--journal', '--yes')).exitCode).toBe(ExitCode.ok);
  expect((await runCli(['verify', path])).exitCode).toBe(ExitCode.ok);
});

test('is refused while the store is open, and where there is none', async () => {
  const { path, store } = await openOrders();
  for (const yes of [[], ['--yes']]) {
    const refused = await varve('repair', path, '--journal', ...yes);
    expect(refused).toMatchObject({ exitCode: ExitCode.locked, stdout: '' });
  }
  await store.close();
  const nowhere = await runCli(['repair', join(path, 'nothing'), '--journal']);
  expect(nowhere.exitCode).toBe(ExitCode.notFound);
  const adopt = await runCli(['repair', join(path, 'journal'), '--adopt']);
  expect(adopt).toMatchObject({ exitCode: ExitCode.usage, stdout: '' });
});
