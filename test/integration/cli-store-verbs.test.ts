/** The verbs that look into the files of a log, given a store: all of it, or a topic of it. */
import { basename, join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';

import { ExitCode } from '../../tools/exit-codes.ts';
import { FIRST_SEGMENT, flipByte, linesOf } from '../support/cli-logs.ts';
import { openOrders, orders, partitionOf, traceOf } from '../support/cli-stores.ts';
import { runCli } from '../support/run-cli.ts';

/** A byte of the first batch of a log. */
const IN_FIRST_BATCH = 150;
const ORDERS = ['--topic', 'orders'];

describe('dump --topic', () => {
  test('is that of the directory of the partition, beside the owner', async () => {
    const { path } = await openOrders();
    const before = await traceOf(path);
    const args = ['dump', path, ...ORDERS, '--partition', '1', '--records'];
    const dumped = await runCli(args);
    expect(dumped).toMatchObject({ exitCode: ExitCode.ok, stderr: '' });
    const directory = await partitionOf(path, 1);
    expect(dumped.stdout).toBe((await runCli(['dump', directory, '--records'])).stdout);
    const json = await runCli([...args, '--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({ path: directory });
    expect(await traceOf(path)).toEqual(before);
  });

  test('wants a partition where there are several, and takes the only one', async () => {
    const path = await orders();
    const refused = await runCli(['dump', path, ...ORDERS]);
    expect(refused).toMatchObject({ exitCode: ExitCode.usage, stdout: '' });
    expect(refused.stderr).toContain('a dump is of one log: choose one with --partition');
    await runCli(['topics', 'create', path, 'single', '--yes']);
    const dumped = await runCli(['dump', path, '--topic', 'single', '--ndjson']);
    expect(linesOf(dumped.stdout)[0]).toMatchObject({ type: 'segment-header' });
  });
});

describe('verify --topic', () => {
  test('checks the logs of the topic alone, or of one partition', async () => {
    const { path } = await openOrders();
    const before = await traceOf(path);
    const both = await runCli(['verify', path, ...ORDERS, '--json']);
    expect(both.exitCode).toBe(ExitCode.ok);
    expect(JSON.parse(both.stdout)).toMatchObject({ path, segmentCount: 2, recordCount: 6 });
    const one = await runCli(['verify', path, ...ORDERS, '--partition', '1']);
    expect(one.stdout).toMatch(/^sound: 1 segment, \d+ batch(?:es)?, 2 records, /);
    expect(await traceOf(path)).toEqual(before);
  });

  test('names the place of what is damaged, and tells nothing of other partitions', async () => {
    const path = await orders();
    const partition = await partitionOf(path, 1);
    await flipByte(join(partition, FIRST_SEGMENT), IN_FIRST_BATCH);
    const damaged = await runCli(['verify', path, ...ORDERS]);
    expect(damaged.exitCode).toBe(ExitCode.corrupt);
    expect(damaged.stdout).toContain(
      `damaged ${relative(path, partition)}/${FIRST_SEGMENT} byte 128: `,
    );
    const other = await runCli(['verify', path, ...ORDERS, '--partition', '0']);
    expect(other.exitCode).toBe(ExitCode.ok);
  });
});

describe('a store with a damaged journal', () => {
  /** Its second entry, a commit of the group: the topic is known. */
  async function damagedBehindTopic(): Promise<string> {
    const path = await orders();
    const dumped = await runCli(['dump', join(path, 'journal'), '--ndjson']);
    const batches = linesOf(dumped.stdout).filter(({ type }) => type === 'batch');
    const position = Number(batches[1]?.['position']);
    await flipByte(join(path, 'journal', FIRST_SEGMENT), position + 30);
    return path;
  }

  test.each(['dump', 'verify'])(
    'varve %s still finds a topic in front of the damage',
    async (verb) => {
      const path = await damagedBehindTopic();
      const found = await runCli([verb, path, ...ORDERS, '--partition', '0']);
      expect(found.exitCode).toBe(ExitCode.ok);
      expect(found.stderr).toBe(
        `the journal of ${path} is damaged: its topics are as they were before that\n`,
      );
      const missing = await runCli([verb, path, '--topic', 'later']);
      expect(missing).toMatchObject({ exitCode: ExitCode.corrupt, stdout: '' });
      expect(missing.stderr).toMatch(
        /there is no topic later in .*, as far as the journal can be read: .*\nhint: varve ls <store>/,
      );
    },
  );
});

describe.each(['dump', 'verify'])('varve %s', (verb) => {
  test.each([
    [['--topic', 'none'], ExitCode.notFound, 'there is no topic none in'],
    [[...ORDERS, '--partition', '2'], ExitCode.usage, 'partitions 0 to 1, not 2'],
    [['--partition', '1'], ExitCode.usage, '--partition needs --topic'],
  ])('%j is refused', async (args, exitCode, message) => {
    const refused = await runCli([verb, await orders(), ...args]);
    expect(refused).toMatchObject({ exitCode, stdout: '' });
    expect(refused.stderr).toContain(message);
  });

  test('--topic of a bare log is refused', async () => {
    const journal = join(await orders(), 'journal');
    const refused = await runCli([verb, journal, ...ORDERS]);
    expect(refused).toMatchObject({ exitCode: ExitCode.usage, stdout: '' });
    expect(refused.stderr).toContain(`${basename(journal)} is a log, not a store`);
  });
});
