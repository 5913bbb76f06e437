/** `varve topics create|alter`: what of a topic goes before all of it does. */
import { describe, expect, test } from 'vitest';

import { openStore } from '../../src/index.ts';
import { ExitCode } from '../../tools/exit-codes.ts';
import { KEEPING_DEFAULTS } from '../support/keeping-defaults.ts';
import { outputOf, topicOptionsOf } from '../support/cli-stores.ts';
import { runCli } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const COMPACTED = [
  '--compaction',
  'key',
  '--compaction-lag-min',
  '1m',
  '--compaction-lag-max',
  '2h',
  '--compaction-share-min',
  '.25',
  '--tombstone-retention',
  '12h',
];
const ARCHIVED = ['--unfinished', 'archive', '--archive-to', 'orders'];
const STORED = {
  compaction: 'key',
  compactionLagMsMin: 60_000,
  compactionLagMsMax: 7_200_000,
  compactionShareMin: 0.25,
  tombstoneRetentionMs: 43_200_000,
  unfinished: 'archive',
  archiveTo: 'orders',
};

/** A store with topics `orders`, `grown` (partitions were added) and `compacted`, and queue `email`. */
async function stored(): Promise<string> {
  const path = `${await temporaryDirectory()}/store`;
  const store = await openStore(path);
  await store.topic('orders');
  await store.topic('grown');
  await store.addPartitions('grown', 2);
  await store.topic('compacted', { compaction: 'key' });
  await (await store.queue('email')).close();
  await store.close();
  return path;
}

describe('varve topics', () => {
  test('create keeps what is given, and describe shows it', async () => {
    const path = await stored();
    expect(await topicOptionsOf(path, 'orders')).toMatchObject({ options: KEEPING_DEFAULTS });
    const create = ['topics', 'create', path, 'other', ...COMPACTED, ...ARCHIVED];
    expect(await outputOf(...create)).toContain('would create');
    const made = await outputOf(...create, '--yes', '--json');
    expect(JSON.parse(made)).toMatchObject({ options: STORED });
    expect(await topicOptionsOf(path, 'other')).toMatchObject({ options: STORED });
    const text = await outputOf('topics', 'describe', path, 'other');
    expect(text).toMatch(
      /^compaction +key\ncompactionLagMsMin +60000\ncompactionLagMsMax +7200000\ncompactionShareMin +0\.25\ntombstoneRetentionMs +43200000\nunfinished +archive\narchiveTo +orders$/m,
    );
    const entries = await outputOf('journal', 'dump', path);
    expect(entries).toContain('"compaction":"key","compactionLagMsMin":60000');
    expect(entries).toContain('"unfinished":"archive","archiveTo":"orders"');
  });

  test('describe says what groups lost, of a topic and of a group', async () => {
    const path = await stored();
    const store = await openStore(path);
    const topic = await store.topic('orders');
    for (let at = 0; at < 3; at++) await topic.append({ value: Uint8Array.of(at) });
    await topic.resetGroup('billing', 'earliest', { dryRun: false });
    await topic.deleteBefore({ partition: 0, offset: 2 });
    await store.close();
    const counted = { groupKind: 'consumer', group: 'billing', reason: 'asked' };
    const unfinishedCounts = [{ ...counted, outcome: 'skipped', count: 2 }];
    for (const verb of [
      ['topics', 'describe', path, 'orders'],
      ['groups', 'describe', path, 'billing'],
    ]) {
      expect(await outputOf(...verb)).toMatch(/^(passed +.* billing: )?2 skipped as asked$/m);
      expect(JSON.parse(await outputOf(...verb, '--json'))).toMatchObject({ unfinishedCounts });
    }
  });

  test('alter says what would change, and with --yes changes that, also back', async () => {
    const path = await stored();
    const args = ['topics', 'alter', path, 'orders', ...COMPACTED.slice(4), '--unfinished', 'wait'];
    expect(await outputOf(...args)).toBe(
      'option                from      to\n' +
        'compactionLagMsMax    none      7200000\n' +
        'compactionShareMin    0.5       0.25\n' +
        'tombstoneRetentionMs  86400000  43200000\n' +
        'unfinished            none      wait\n' +
        'topic orders would be altered; nothing was changed, --yes alters it\n',
    );
    expect(await topicOptionsOf(path, 'orders')).toMatchObject({ options: KEEPING_DEFAULTS });
    await outputOf(...args, '--yes');
    const altered = {
      ...KEEPING_DEFAULTS,
      compactionLagMsMax: 7_200_000,
      compactionShareMin: 0.25,
      tombstoneRetentionMs: 43_200_000,
      unfinished: 'wait',
    };
    expect(await topicOptionsOf(path, 'orders')).toMatchObject({ options: altered });
    const back = [
      '--compaction-lag-max',
      'none',
      '--unfinished',
      'default',
      '--archive-to',
      'none',
    ];
    await outputOf('topics', 'alter', path, 'orders', ...back, '--compaction', 'key', '--yes');
    const options = { compaction: 'key', compactionLagMsMax: null, unfinished: null };
    expect(await topicOptionsOf(path, 'orders')).toMatchObject({ options });
  });
});

const KEY = ['--compaction', 'key'];
const { usage, notFound, failure } = ExitCode;

test.each([
  [['create'], ['new', '--compaction', 'keys'], usage, 'Allowed choices are off, key'],
  [['create'], ['new', '--unfinished', 'keep'], usage, 'Allowed choices are skip, wait, archive'],
  [['create'], ['new', '--compaction-share-min', 'half'], usage, 'a number such as 0.5'],
  [['create'], ['new', '--compaction-share-min', '0'], usage, 'Expected `compactionShareMin`'],
  [['alter'], ['orders', '--compaction-lag-max', 'x'], usage, 'such as 15m or 7d, or none.'],
  [['create'], ['new', '--unfinished', 'archive'], usage, 'Expected `archiveTo`'],
  [['create'], ['new', '--archive-to', 'gone'], notFound, 'gone'],
  [['alter'], ['orders', '--archive-to', 'gone'], notFound, 'gone'],
  [['alter'], ['orders', '--archive-to', 'orders'], usage, 'another topic than this one'],
  [['alter'], ['email', ...KEY], failure, 'retention settled of share group queue'],
  [['alter'], ['grown', ...KEY], failure, 'partitions that were added'],
  [['add-partitions'], ['compacted', '2'], failure, 'stored compaction key'],
])(
  'varve topics %j %j is refused, with --yes and without, and changes nothing',
  async (...given) => {
    const [verb, args, exitCode, message] = given;
    const path = await stored();
    const before = await outputOf('journal', 'dump', path);
    for (const yes of [[], ['--yes']]) {
      const refused = await runCli(['topics', ...verb, path, ...args, ...yes]);
      expect(refused).toMatchObject({ exitCode, stdout: '' });
      expect(refused.stderr).toContain(message);
    }
    expect(await outputOf('journal', 'dump', path)).toBe(before);
  },
);

test('settled records of a compacted topic stay, with --yes and without', async () => {
  const path = await stored();
  const store = await openStore(path);
  await (await (await store.topic('compacted')).shareGroup('billing')).close();
  await store.close();
  const before = await outputOf('journal', 'dump', path);
  const alter = ['queue', 'alter', path, 'compacted', '--group', 'billing'];
  for (const yes of [[], ['--yes']]) {
    const refused = await runCli([...alter, '--retention', 'settled', ...yes]);
    expect(refused).toMatchObject({ exitCode: failure, stdout: '' });
    expect(refused.stderr).toContain('stored compaction key of its topic');
  }
  expect(await outputOf('journal', 'dump', path)).toBe(before);
});

test('a source of an exchange is not compacted', async () => {
  const path = await stored();
  await outputOf('exchanges', 'create', path, 'news', '-t', 'topic', '--yes');
  for (const yes of [[], ['--yes']]) {
    const refused = await runCli(['topics', 'alter', path, 'exchange:news', ...KEY, ...yes]);
    expect(refused).toMatchObject({ exitCode: usage, stdout: '' });
    expect(refused.stderr).toContain('kept whole in its source');
  }
});

test('a new store has no topic to archive in, and is not made for one that wants it', async () => {
  const path = `${await temporaryDirectory()}/store`;
  for (const yes of [[], ['--yes']]) {
    const create = ['topics', 'create', path, 'new', ...ARCHIVED, ...yes];
    expect(await runCli(create)).toMatchObject({ exitCode: notFound, stdout: '' });
  }
  expect(await runCli(['topics', 'ls', path])).toMatchObject({ exitCode: notFound });
});
