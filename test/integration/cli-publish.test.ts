/** `varve publish`: values, lines and NDJSON to an exchange, where nobody has the store open. */
import { describe, expect, test } from 'vitest';

import { ExitCode } from '../../tools/exit-codes.ts';
import { flights, inStore, jsonOf, valuesIn } from '../support/cli-exchanges.ts';
import { linesOf } from '../support/cli-logs.ts';
import { runCli } from '../support/run-cli.ts';

describe('publish', () => {
  test('a value, and it is where its key leads when it returns', async () => {
    const path = await flights();
    const { stderr } = await runCli(['publish', path, 'flights', '-r', 'flight.LHR.AMS', 'one']);
    expect(stderr).toBe('published 1 record at offset 0: to arrivals, audit\n');
    expect(await valuesIn(path, 'arrivals')).toEqual(['one']);
    expect(await valuesIn(path, 'audit')).toEqual(['one']);
    expect(await jsonOf('publish', path, 'flights', '-r', 'x', 'two', 'three')).toEqual({
      path,
      exchange: 'flights',
      recordCount: 2,
      duplicateCount: 0,
      duplicates: [],
      baseOffset: 1,
      nextOffset: 3,
      unroutedCount: 0,
      destinations: [{ name: 'audit', recordCount: 2 }],
    });
    expect(await valuesIn(path, 'audit')).toEqual(['one', 'two', 'three']);
  });

  test('lines of stdin, with a key, a routing key and headers', async () => {
    const path = await flights();
    const options = ['-K', ':', '-r', 'flight.a.AMS', '-H', 'h=1'];
    const { exitCode, stderr } = await runCli(['publish', path, 'flights', ...options], {
      input: 'k1:one\nk2:two\n',
    });
    expect({ exitCode, stderr }).toEqual({
      exitCode: ExitCode.ok,
      stderr: 'published 2 records at offsets 0 to 1: 2 to arrivals, 2 to audit\n',
    });
    const { stdout } = await runCli(['cat', path, '--topic', 'audit', '--json']);
    expect(linesOf(stdout)).toMatchObject([
      { key: 'k1', value: 'one', headers: { 'varve-routing-key': 'flight.a.AMS', h: '1' } },
      { key: 'k2', value: 'two' },
    ]);
  });

  test('NDJSON: each line has its own key, routing key, headers and time', async () => {
    const path = await flights();
    await inStore(path, async (store) => {
      const exchange = await store.exchange('delays');
      await exchange.bind('late', { headers: { delay: 'long' } });
    });
    const lines = [
      { value: 'one', headers: { delay: 'long' }, createTimeMs: 5 },
      { value: 'two', headers: { delay: 'short' }, routingKey: 'own', key: 'k' },
      { value: null, key: 'k' },
    ];
    const input = lines.map((line) => `${JSON.stringify(line)}\n`).join('\n');
    const args = ['publish', path, 'delays', '--ndjson', '-r', 'common', '-H', 'delay=long'];
    const { stderr } = await runCli(args, { input });
    expect(stderr).toBe('published 3 records at offsets 0 to 2: 2 to late, 1 to nobody\n');
    const { stdout } = await runCli(['cat', path, '--topic', 'exchange:delays', '--json']);
    const keys = linesOf(stdout).map((line) => line as { headers: Record<string, string> });
    expect(keys.map(({ headers }) => headers['varve-routing-key'])).toEqual([
      'common',
      'own',
      'common',
    ]);
    expect(linesOf(stdout)).toMatchObject([{ createTimeMs: 5 }, { key: 'k' }, { value: null }]);
    expect(await valuesIn(path, 'late')).toEqual(['one', null]);
  });

  test('further keys: of the command line, of a line, and of a source that is published again', async () => {
    const path = await flights();
    const keys = ['-r', 'x', '--cc', 'flight.LHR.AMS', '--cc', 'y', '--bcc', 'z'];
    const { stderr } = await runCli(['publish', path, 'flights', ...keys, 'one']);
    expect(stderr).toBe('published 1 record at offset 0: to arrivals, audit\n');
    const lines = [
      { value: 'two', routingKey: 'x', cc: ['w'] },
      { value: 'three', bcc: ['flight.JFK.AMS'] },
    ];
    const input = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
    await runCli(['publish', path, 'flights', '--ndjson', '--cc', 'common'], { input });
    const source = await runCli(['cat', path, '--topic', 'exchange:flights', '--json']);
    const wanted = [
      { 'varve-routing-key': 'x', 'varve-cc': '["flight.LHR.AMS","y"]', 'varve-bcc': '["z"]' },
      { 'varve-routing-key': 'x', 'varve-cc': '["w"]' },
      { 'varve-routing-key': '', 'varve-cc': '["common"]', 'varve-bcc': '["flight.JFK.AMS"]' },
    ];
    expect(linesOf(source.stdout)).toMatchObject(wanted.map((headers) => ({ headers })));
    expect(await valuesIn(path, 'arrivals')).toEqual(['one', 'three']);
    const other = await flights();
    await runCli(['publish', other, 'flights', '--ndjson'], { input: source.stdout });
    expect(await valuesIn(other, 'arrivals')).toEqual(['one', 'three']);
    const copies = await runCli(['cat', other, '--topic', 'arrivals', '--json']);
    expect(copies.stdout).toContain('varve-cc');
    expect(copies.stdout).not.toContain('varve-bcc');
  });

  test('what cat prints of a source, published once more: each under its routing key', async () => {
    const [path, other] = [await flights(), await flights()];
    const keys = ['flight.LHR.AMS', 'x', 'flight.JFK.AMS', ''];
    for (const key of keys) await runCli(['publish', path, 'flights', '-r', key, `to ${key}`]);
    const source = await runCli(['cat', path, '--topic', 'exchange:flights', '--json']);
    const piped = await runCli(['publish', other, 'flights', '--ndjson'], { input: source.stdout });
    expect(piped.exitCode).toBe(ExitCode.ok);
    expect(await valuesIn(other, 'arrivals')).toEqual(['to flight.LHR.AMS', 'to flight.JFK.AMS']);
    expect(await valuesIn(other, 'audit')).toEqual(keys.map((key) => `to ${key}`));
  });

  test('many lines, in several requests', async () => {
    const path = await flights();
    const lines = Array.from({ length: 2000 }, (_, at) => `${at} ${'x'.repeat(1000)}`);
    const { stderr } = await runCli(['publish', path, 'flights', '-r', 'a'], {
      input: lines.join('\n'),
    });
    expect(stderr).toContain('published 2,000 records at offsets 0 to 1999: 2,000 to audit');
    expect(await valuesIn(path, 'audit')).toEqual(lines);
  });

  test('--mandatory stops at the first record that nothing takes, and keeps those before it', async () => {
    const path = await flights();
    await runCli(['bindings', 'rm', path, 'flights', 'audit', '-p', '#', '--yes']);
    const lines = ['flight.a.AMS', 'flight.b.AMS', 'nobody', 'flight.c.AMS'].map((routingKey) =>
      JSON.stringify({ value: routingKey, routingKey }),
    );
    const options = ['--ndjson', '--mandatory'];
    const refused = await runCli(['publish', path, 'flights', ...options], {
      input: lines.join('\n'),
    });
    expect(refused).toMatchObject({ exitCode: ExitCode.failure, stdout: '' });
    expect(refused.stderr).toContain(
      'no binding of exchange flights takes record 3 of the input, with routing key "nobody"',
    );
    expect(refused.stderr).toContain('2 records stored');
    expect(refused.stderr).not.toContain('more may be stored');
    expect(await valuesIn(path, 'exchange:flights')).toEqual(['flight.a.AMS', 'flight.b.AMS']);
    const free = await runCli(['publish', path, 'flights', '-r', 'nobody', 'x']);
    expect(free).toMatchObject({
      exitCode: ExitCode.ok,
      stderr: 'published 1 record at offset 2: no binding matches, so nobody gets it\n',
    });
  });

  test('--confirm routed, and --confirm logged: what is not copied yet is by the next opening', async () => {
    const path = await flights();
    await runCli(['publish', path, 'flights', '-r', 'a', 'one', '--confirm', 'routed']);
    expect(await valuesIn(path, 'audit')).toEqual(['one']);
    await runCli(['publish', path, 'flights', '-r', 'a', 'two', '--confirm', 'logged']);
    await runCli(['publish', path, 'flights', '-r', 'a', 'three']);
    expect(await valuesIn(path, 'audit')).toEqual(['one', 'two', 'three']);
  });

  test('to an exchange that has other durability', async () => {
    const path = await flights();
    await runCli([
      'exchanges',
      'create',
      path,
      'fast',
      '-t',
      'fanout',
      '--durability',
      'os',
      '--yes',
    ]);
    await runCli(['bindings', 'add', path, 'fast', 'late', '--yes']);
    await runCli(['publish', path, 'fast', 'one', 'two']);
    expect(await valuesIn(path, 'late')).toEqual(['one', 'two']);
  });

  test('to an internal exchange is refused', async () => {
    const path = await flights();
    await runCli(['exchanges', 'create', path, 'own', '-t', 'fanout', '--internal', '--yes']);
    const refused = await runCli(['publish', path, 'own', 'x']);
    expect(refused).toMatchObject({ exitCode: ExitCode.failure });
    expect(refused.stderr).toContain('internal');
  });

  test.for([
    ['{"value": 1}', 'line 1 of the input: expected "value" to be a string'],
    [
      '{"value": "x", "routingKey": 5}',
      'line 1 of the input: expected "routingKey" to be a string',
    ],
    ['{"value": "x", "routingkey": "a"}', 'expected "routingkey" to be spelt `routingKey`'],
    ['{"value": "x", "routing_key": "a"}', 'expected "routing_key" to be spelt `routingKey`'],
    ['{"value": "x", "CC": ["a"]}', 'expected "CC" to be spelt `cc`'],
    [`{"value": "x", "routingKey": "${'a'.repeat(256)}"}`, 'routing key'],
    ['{', 'line 1 of the input is not JSON'],
  ])('names a line that is wrong: %s', async ([line = '', says = '']) => {
    const path = await flights();
    const { exitCode, stderr } = await runCli(['publish', path, 'flights', '--ndjson'], {
      input: `${line}\n`,
    });
    expect(exitCode).toBe(ExitCode.usage);
    expect(stderr).toContain(says);
    expect(stderr).toContain('stopped at line 1 of the input; 0 records stored');
    expect(await valuesIn(path, 'exchange:flights')).toEqual([]);
  });
});
