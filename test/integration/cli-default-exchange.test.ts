/** The default exchange at the command line: `''` as the name of an exchange. */
import { describe, expect, test } from 'vitest';

import { ExitCode } from '../../tools/exit-codes.ts';
import { changedFiles, flights, jsonOf, valuesIn } from '../support/cli-exchanges.ts';
import { contentsOf } from '../support/cli-logs.ts';
import { QueueOwner } from '../support/cli-queues.ts';
import { runCli } from '../support/run-cli.ts';

describe('publish', () => {
  test('appends to the queue or topic that the routing key names', async () => {
    const path = await flights();
    const one = await runCli(['publish', path, '', '-r', 'late', 'one']);
    expect(one).toMatchObject({ exitCode: ExitCode.ok, stderr: 'published 1 record: to late\n' });
    const lines = [
      { value: 'two', routingKey: 'audit' },
      { value: 'three', routingKey: 'late' },
      { value: 'four', routingKey: 'nothing' },
      { value: 'five', routingKey: 'audit' },
    ];
    const input = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
    const { stdout } = await runCli(['publish', path, '', '--ndjson', '--json'], { input });
    expect(JSON.parse(stdout)).toEqual({
      path,
      exchange: '',
      recordCount: 4,
      duplicateCount: 0,
      duplicates: [],
      baseOffset: null,
      nextOffset: null,
      unroutedCount: 1,
      destinations: [
        { name: 'audit', recordCount: 2 },
        { name: 'late', recordCount: 1 },
      ],
    });
    expect(await valuesIn(path, 'late')).toEqual(['one', 'three']);
    expect(await valuesIn(path, 'audit')).toEqual(['two', 'five']);
  });

  test('mandatory: what names nothing is refused, and what stands before it is there', async () => {
    const path = await flights();
    const lines = ['late', 'lates', 'late'].map((routingKey) => ({
      value: routingKey,
      routingKey,
    }));
    const input = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
    const { exitCode, stderr } = await runCli(['publish', path, '', '--ndjson', '--mandatory'], {
      input,
    });
    expect(exitCode).toBe(ExitCode.failure);
    expect(stderr).toContain(
      'error: nothing is called "lates", the routing key of record 2 of the input\nhint: ',
    );
    expect(await valuesIn(path, 'late')).toEqual(['late']);
  });

  test('by the process that has the store open', async () => {
    const { path, ...owner } = await owned();
    const { stderr } = await runCli(['publish', path, '', '-r', 'email', '--confirm', 'routed'], {
      input: 'a\nb\n',
    });
    expect(stderr).toBe('published 2 records: 2 to email\n');
    await owner.until({ readyCount: 2 });
  });

  test('takes one key', async () => {
    const path = await flights();
    const lines = ['{"value":"a","routingKey":"late"}', '{"value":"b","bcc":["late"]}'];
    const input = lines.map((line) => `${line}\n`).join('');
    const { exitCode, stderr } = await runCli(['publish', path, '', '--ndjson'], { input });
    expect(exitCode).toBe(ExitCode.usage);
    expect(stderr).toContain('stopped at line 2 of the input; 1 record stored');
    expect(stderr).toContain('the default exchange takes one routing key');
  });
});

async function owned() {
  const owner = await QueueOwner.start();
  return { path: owner.path, until: owner.until.bind(owner) };
}

describe('what leads from it', () => {
  test('route says which queue or topic', async () => {
    const path = await flights();
    expect(await jsonOf('route', path, '', 'late')).toEqual({
      path,
      exchange: '',
      routingKey: 'late',
      destinations: ['late'],
      steps: [
        {
          exchange: '',
          type: 'direct',
          from: null,
          isAlternate: false,
          matches: [
            {
              exchange: '',
              destination: { queue: 'late' },
              pattern: 'late',
              why: 'the routing key is its name',
            },
          ],
          alternate: null,
        },
      ],
    });
    const { stdout } = await runCli(['route', path, '', 'exchange:flights']);
    expect(stdout).toBe('the default exchange (direct)\n  nothing is called so\nit goes nowhere\n');
  });

  test('describe and bindings ls show everything, by its name', async () => {
    const path = await flights();
    const bindings = [
      { exchange: '', destination: { queue: 'arrivals' }, pattern: 'arrivals' },
      { exchange: '', destination: { topic: 'audit' }, pattern: 'audit' },
      { exchange: '', destination: { queue: 'late' }, pattern: 'late' },
    ];
    expect(await jsonOf('bindings', 'ls', path, '')).toEqual({ path, bindings });
    expect(await jsonOf('exchanges', 'describe', path, '')).toMatchObject({
      name: '',
      exchangeId: null,
      type: 'direct',
      source: null,
      bindingCount: 3,
      bindings,
      projection: null,
    });
    const { stdout } = await runCli(['exchanges', 'describe', path, '']);
    expect(stdout).toContain("exchange   '', the default exchange\n");
    expect(stdout).not.toContain('null');
  });
});

test('it is not made, changed, bound or deleted: one error for all', async () => {
  const path = await flights();
  const before = await contentsOf(path);
  for (const words of [
    ['exchanges', 'create', path, '', '-t', 'direct', '--yes'],
    ['exchanges', 'create', path, 'new', '-t', 'direct', '--alternate', '', '--yes'],
    ['exchanges', 'alter', path, '', '--no-alternate', '--yes'],
    ['exchanges', 'alter', path, 'flights', '--alternate', '', '--yes'],
    ['exchanges', 'delete', path, '', '--yes'],
    ['exchanges', 'detach', path, '', 'late', '--yes'],
    ['exchanges', 'rebuild', path, '', 'late', '--yes'],
    ['bindings', 'add', path, '', 'late', '-p', 'late', '--yes'],
    ['bindings', 'add', path, 'flights', '', '--to-exchange', '--yes'],
    ['bindings', 'rm', path, '', 'late', '-p', 'late', '--yes'],
    ['simulate', path, ''],
  ]) {
    const { exitCode, stdout, stderr } = await runCli(words);
    expect({ exitCode, stdout }, words.join(' ')).toEqual({
      exitCode: ExitCode.failure,
      stdout: '',
    });
    expect(stderr, words.join(' ')).toBe(
      "error: exchange '': stored the default exchange, which leads to every queue and topic by its " +
        'name, requested one with a log and bindings of its own\n',
    );
  }
  expect(await changedFiles(path, before)).toEqual([]);
});
