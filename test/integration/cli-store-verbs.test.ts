/** The verbs that look into the files of a log, given a store: all of it, or a topic of it. */
import { readFile } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';

import { ExitCode } from '../../tools/exit-codes.ts';
import { FIRST_SEGMENT, flipByte, linesOf } from '../support/cli-logs.ts';
import { openOrders, orders, partitionOf, traceOf } from '../support/cli-stores.ts';
import { runCli } from '../support/run-cli.ts';

/** A byte of the first batch of a log. */
const IN_FIRST_BATCH = 150;
const ORDERS = ['--topic', 'orders'];

function withoutSpaces(text: string): string {
  return text.replaceAll(/ +/g, ' ');
}

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

/** Damages an entry of the journal of a store: what it changed is not known any more. */
async function damageEntry(path: string, offset: number): Promise<void> {
  const dumped = await runCli(['dump', join(path, 'journal'), '--ndjson']);
  const batch = linesOf(dumped.stdout).find(
    (line) => line['baseOffset'] === offset && line['type'] === 'batch',
  );
  await flipByte(join(path, 'journal', FIRST_SEGMENT), Number(batch?.['position']) + 30);
}

/** The second entry of its journal is a commit of the group, so its topic is known. */
async function damagedBehindTopic(): Promise<string> {
  const path = await orders();
  await damageEntry(path, 1);
  return path;
}

describe('info of a store', () => {
  test('says what stats says, what it is, and which topics it has, beside its owner', async () => {
    const { path } = await openOrders();
    const before = await traceOf(path);
    const { exitCode, stdout, stderr } = await runCli(['info', path]);
    expect({ exitCode, stderr }).toEqual({ exitCode: ExitCode.ok, stderr: '' });
    expect(stdout).toMatch(/^store {4}.*\nid {7}\d+\nformat {3}1\ntopics {3}1 with 2 partitions\n/);
    expect(stdout).toMatch(/\nlock {5}held by process \d+ on .*\nhealth {3}ok\n\ntopic /);
    const listed = await runCli(['topics', 'ls', path]);
    expect(stdout.endsWith(`\n\n${listed.stdout}`)).toBe(true);
    expect(await traceOf(path)).toEqual(before);
  });

  test('agrees with stats, when nobody has it open', async () => {
    const path = await orders();
    const { stdout } = await runCli(['info', path]);
    const figures = (await runCli(['stats', path])).stdout.split('\n').slice(1); // Behind its path.
    expect(figures).toHaveLength(8);
    expect(stdout).toContain(`\n${figures.join('\n')}`);
  });

  test('--json', async () => {
    const path = await orders();
    const { exitCode, stdout } = await runCli(['info', path, '--json']);
    expect(exitCode).toBe(ExitCode.ok);
    const { topics } = JSON.parse((await runCli(['topics', 'ls', path, '--json'])).stdout) as {
      topics: unknown;
    };
    const stored = JSON.parse(await readFile(join(path, 'store.json'), 'utf8')) as object;
    expect(JSON.parse(stdout)).toMatchObject({
      path,
      ...stored,
      topicCount: 1,
      partitionCount: 2,
      groupCount: 1,
      offsetCount: 6,
      health: { status: 'ok', problems: [] },
      journal: { startOffset: 0, endOffset: 2, segmentCount: 1 },
      lock: { state: 'free' },
      damage: null,
      topics,
    });
  });

  test('with a damaged journal: exit 4, what was in front of the damage, and the way out', async () => {
    const path = await damagedBehindTopic();
    const before = await traceOf(path);
    const text = await runCli(['info', path]);
    expect(text).toMatchObject({ exitCode: ExitCode.corrupt, stderr: '' });
    expect(text.stdout).toMatch(
      /\nhealth {3}failed\n +the journal is damaged, .*\n +close the store/,
    );
    expect(text.stdout).toContain('varve repair <store> --journal');
    expect(text.stdout).toMatch(/\ntopic .*\norders +2 +6 /);
    const json = await runCli(['info', path, '--json']);
    expect(json.exitCode).toBe(ExitCode.corrupt);
    expect(JSON.parse(json.stdout)).toMatchObject({
      damage: { file: join(path, 'journal', FIRST_SEGMENT), firstOffset: 1 },
      topicCount: 1,
      groupCount: 0,
    });
    expect(await traceOf(path)).toEqual(before);
  });

  test('a topic that was deleted behind the damage has no files, and no figures', async () => {
    const path = await orders();
    await runCli(['topics', 'delete', path, 'orders', '--yes']);
    await damageEntry(path, 1);
    const { exitCode, stdout } = await runCli(['info', path]);
    expect(exitCode).toBe(ExitCode.corrupt);
    expect(stdout).toMatch(/\norders +2 +\? +0 B /);
  });
});

describe('info --topic', () => {
  test('is that of each partition', async () => {
    const { path } = await openOrders();
    const before = await traceOf(path);
    const { exitCode, stdout, stderr } = await runCli(['info', path, ...ORDERS]);
    expect({ exitCode, stderr }).toEqual({ exitCode: ExitCode.ok, stderr: '' });
    const blocks = await Promise.all(
      [0, 1].map(async (number) => {
        const { stdout: block } = await runCli(['info', await partitionOf(path, number)]);
        return `partition    orders/${number}\n${block}`;
      }),
    );
    expect(withoutSpaces(stdout)).toBe(withoutSpaces(blocks.join('\n')));
    expect(await traceOf(path)).toEqual(before);
  });

  test('--json: a document of all, or that of one partition', async () => {
    const path = await orders();
    const infos = await Promise.all(
      [0, 1].map(async (partition) => {
        const { stdout } = await runCli(['info', await partitionOf(path, partition), '--json']);
        return { topic: 'orders', partition, ...(JSON.parse(stdout) as object) };
      }),
    );
    const all = await runCli(['info', path, ...ORDERS, '--json']);
    expect(JSON.parse(all.stdout)).toEqual({ path, topic: 'orders', partitions: infos });
    const one = await runCli(['info', path, ...ORDERS, '--partition', '1', '--json']);
    expect(JSON.parse(one.stdout)).toEqual(infos[1]);
  });

  test('damage in the tail of one exits 4', async () => {
    const path = await orders();
    await flipByte(join(await partitionOf(path, 1), FIRST_SEGMENT), IN_FIRST_BATCH);
    const both = await runCli(['info', path, ...ORDERS]);
    expect(both.exitCode).toBe(ExitCode.corrupt);
    expect(both.stdout.match(/^damage /gm)).toHaveLength(1);
    const sound = await runCli(['info', path, ...ORDERS, '--partition', '0']);
    expect(sound.exitCode).toBe(ExitCode.ok);
  });
});

describe('a store with a damaged journal', () => {
  test.each(['dump', 'info', 'verify'])(
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

describe.each(['dump', 'info', 'verify'])('varve %s', (verb) => {
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
