/** `varve exchanges` and `varve bindings`, where nobody has the store open. */
import { rm as removeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { ExitCode } from '../../tools/exit-codes.ts';
import { changedFiles, flights, inStore, jsonOf, valuesIn } from '../support/cli-exchanges.ts';
import { contentsOf, linesOf } from '../support/cli-logs.ts';
import { runCli } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

describe('exchanges', () => {
  test('ls lists them, and changes nothing', async () => {
    const path = await flights();
    const before = await contentsOf(path);
    const { stdout, exitCode } = await runCli(['exchanges', 'ls', path]);
    expect(exitCode).toBe(ExitCode.ok);
    expect(stdout.split('\n').map((line) => line.split(/ {2,}/).slice(0, 4))).toMatchObject([
      ['exchange', 'type', 'bindings', 'records'],
      ['delays', 'headers', '0', '0'],
      ['flights', 'topic', '2', '0'],
      [''],
    ]);
    expect(await jsonOf('exchanges', 'ls', path)).toMatchObject({
      path,
      exchanges: [
        { name: 'delays', type: 'headers', bindingCount: 0, alternate: null, offsetCount: 0 },
        { name: 'flights', type: 'topic', internal: false, autoDelete: false },
      ],
    });
    const { stdout: lines } = await runCli(['exchanges', 'ls', path, '--ndjson']);
    expect(linesOf(lines)).toMatchObject([{ name: 'delays' }, { name: 'flights' }]);
    expect(await changedFiles(path, before)).toEqual([]);
  });

  test('create makes one, and the store: a dry run unless --yes', async () => {
    const path = join(await temporaryDirectory(), 'store');
    const create = (...rest: readonly string[]) => runCli(['exchanges', 'create', path, ...rest]);
    const dry = await create('flights', '-t', 'topic');
    expect(dry.stdout).toContain('would create topic exchange flights in a new store at');
    expect(await contentsOf(path).catch(() => null)).toBeNull();
    expect(await create('lost', '-t', 'fanout', '--yes')).toMatchObject({ exitCode: ExitCode.ok });
    const options = ['--alternate', 'lost', '--internal', '--auto-delete', '--retention', '7d'];
    expect(
      await jsonOf('exchanges', 'create', path, 'own', '-t', 'direct', ...options, '--yes'),
    ).toEqual({
      path,
      name: 'own',
      isDryRun: false,
      isNewStore: false,
      type: 'direct',
      alternate: 'lost',
      internal: true,
      autoDelete: true,
    });
    expect(await jsonOf('exchanges', 'describe', path, 'own')).toMatchObject({
      alternate: 'lost',
      internal: true,
      autoDelete: true,
      source: 'exchange:own',
      projection: null,
    });
    expect(await jsonOf('exchanges', 'describe', path, 'lost')).toMatchObject({
      alternateOf: ['own'],
    });
    expect(await jsonOf('topics', 'describe', path, 'exchange:own')).toMatchObject({
      options: { retentionMs: 7 * 86_400_000, durability: 'sync' },
    });
    expect((await create('own', '-t', 'direct', '--yes')).stderr).toContain(
      'there is an exchange own in',
    );
  });

  test('describe shows what leads from and to one', async () => {
    const path = await flights();
    await runCli([
      'bindings',
      'add',
      path,
      'flights',
      'delays',
      '--to-exchange',
      '-p',
      'a',
      '--yes',
    ]);
    const { stdout } = await runCli(['exchanges', 'describe', path, 'flights']);
    expect(stdout).toMatch(/^exchange +flights\n/);
    expect(stdout).toMatch(/\nflights +queue +arrivals +flight\.\*\.AMS\n/);
    const described = await runCli(['exchanges', 'describe', path, 'delays']);
    expect(described.stdout).toMatch(/\nbound to it:\n.*\nflights +exchange +delays +a\n$/);
    expect(await jsonOf('exchanges', 'describe', path, 'delays')).toMatchObject({
      bindings: [],
      bindingsTo: [{ exchange: 'flights', destination: { exchange: 'delays' }, pattern: 'a' }],
    });
  });

  test('delete takes its bindings with it: a dry run unless --yes', async () => {
    const path = await flights();
    expect(await jsonOf('exchanges', 'delete', path, 'flights')).toMatchObject({
      isDryRun: true,
      bindings: [{ destination: { queue: 'arrivals' } }, { destination: { topic: 'audit' } }],
    });
    const { stdout } = await runCli(['exchanges', 'delete', path, 'flights', '--yes']);
    expect(stdout).toMatch(/\ndeleted exchange flights with 2 bindings\n$/);
    expect(await jsonOf('bindings', 'ls', path)).toEqual({ path, bindings: [] });
    expect(await runCli(['exchanges', 'delete', path, 'flights'])).toMatchObject({
      exitCode: ExitCode.notFound,
    });
  });
});

describe('a destination that fails', () => {
  test('is named by publish, which does not wait for it, and can be let off', async () => {
    const path = await flights();
    const { stdout } = await runCli(['topics', 'describe', path, 'audit', '--json']);
    const { partitions } = JSON.parse(stdout) as { partitions: readonly { path: string }[] };
    for (const { path: log } of partitions) await removeFile(log, { recursive: true });
    const { exitCode, stderr } = await runCli([
      'publish',
      path,
      'flights',
      '-r',
      'flight.a.AMS',
      'x',
    ]);
    expect(exitCode).toBe(ExitCode.ok);
    expect(stderr).toContain('audit has not got all of its copies yet: ');
    expect(await valuesIn(path, 'arrivals')).toEqual(['x']);
    const detach = ['exchanges', 'detach', path, 'flights', 'audit'];
    expect(await jsonOf(...detach)).toEqual({
      path,
      exchange: 'flights',
      destination: 'audit',
      isDryRun: true,
      lagCount: null,
      skippedCount: null,
    });
    expect((await runCli([...detach, '--yes'])).stdout).toBe(
      'let audit off what exchange flights has not brought it: 1 record\n',
    );
    const again = await jsonOf(...detach, '--yes');
    expect(again).toMatchObject({ isDryRun: false, skippedCount: 0 });
  });
});

describe('bindings', () => {
  test('ls lists those of a store, of an exchange, and those that lead to a destination', async () => {
    const path = await flights();
    const arrivals = {
      exchange: 'flights',
      destination: { queue: 'arrivals' },
      pattern: 'flight.*.AMS',
    };
    const audit = { exchange: 'flights', destination: { topic: 'audit' }, pattern: '#' };
    expect(await jsonOf('bindings', 'ls', path)).toEqual({ path, bindings: [arrivals, audit] });
    expect(await jsonOf('bindings', 'ls', path, 'delays')).toEqual({ path, bindings: [] });
    expect(await jsonOf('bindings', 'ls', path, 'flights', '-d', 'audit')).toEqual({
      path,
      bindings: [audit],
    });
    const { stdout } = await runCli(['bindings', 'ls', path]);
    expect(stdout).toMatch(/^exchange +kind +destination +pattern +headers\n/);
    expect((await runCli(['bindings', 'ls', path, 'delays'])).stderr).toBe(
      'no binding of delays\n',
    );
  });

  test('add binds a destination, with headers too: a dry run unless --yes', async () => {
    const path = await flights();
    const add = ['bindings', 'add', path, 'delays', 'late', '-H', 'delay=long', '-H', 'crew'];
    expect((await runCli([...add, '--match', 'any'])).stdout).toBe(
      'would bind delays -> queue late (any: crew, delay=long); nothing was changed, --yes binds it\n',
    );
    const bound = await jsonOf(...add, '--match', 'any', '--yes');
    const binding = {
      exchange: 'delays',
      destination: { queue: 'late' },
      pattern: '',
      headers: { 'x-match': 'any', crew: null, delay: 'long' },
    };
    expect(bound).toEqual({ path, isDryRun: false, binding, isBound: false, from: null });
    expect(await jsonOf('bindings', 'ls', path, 'delays')).toEqual({ path, bindings: [binding] });
    expect((await runCli([...add, '--match', 'any', '--yes'])).stdout).toContain('bound already');
    expect(await jsonOf('bindings', 'ls', path, 'delays')).toEqual({ path, bindings: [binding] });
  });

  test('add with --from or --since brings the past, and is done when it is there', async () => {
    const path = await flights();
    const lines = [1000, 2000, 3000].map((createTimeMs) =>
      JSON.stringify({ value: `at ${createTimeMs}`, routingKey: 'flight.a.b', createTimeMs }),
    );
    await runCli(['publish', path, 'flights', '--ndjson'], { input: lines.join('\n') });
    const add = (...rest: readonly string[]) =>
      runCli(['bindings', 'add', path, 'flights', 'late', ...rest, '--yes']);
    await add('-p', 'flight.#', '--since', '1970-01-01T00:00:02Z');
    expect(await valuesIn(path, 'late')).toEqual(['at 2000', 'at 3000']);
    await runCli(['topics', 'create', path, 'all', '--yes']);
    const all = ['bindings', 'add', path, 'flights', 'all', '-p', '#'];
    const bound = await runCli([...all, '--from', 'earliest', '--yes']);
    expect(bound.stdout).toBe('bound flights -> topic all (#), with all of its past\n');
    expect(await valuesIn(path, 'all')).toEqual(['at 1000', 'at 2000', 'at 3000']);
    const again = await add('-p', 'flight.#', '--from', '0');
    expect(again).toMatchObject({ exitCode: ExitCode.ok });
    expect(again.stdout).toContain('bound already; nothing was changed');
    expect(await valuesIn(path, 'late')).toEqual(['at 2000', 'at 3000']);
    await add('-p', 'flight.a.*');
    const late = await add('-p', 'flight.a.*', '--from', 'earliest');
    expect(late).toMatchObject({ exitCode: ExitCode.failure });
    expect(late.stderr).toContain('is bound already, without the past');
    await runCli(['bindings', 'rm', path, 'flights', 'late', '-p', 'flight.a.*', '--yes']);
    await add('-p', 'flight.a.*', '--from', 'earliest');
    expect(await valuesIn(path, 'late')).toEqual(['at 2000', 'at 3000', 'at 1000']);
  });

  test('rm ends a binding: a dry run unless --yes', async () => {
    const path = await flights();
    const rm = ['bindings', 'rm', path, 'flights', 'arrivals', '-p', 'flight.*.AMS'];
    expect(await jsonOf(...rm)).toMatchObject({ isDryRun: true, isLast: false });
    expect(await runCli([...rm, '--yes'])).toMatchObject({
      exitCode: ExitCode.ok,
      stdout: 'ended flights -> queue arrivals (flight.*.AMS)\n',
    });
    expect(await runCli([...rm, '--yes'])).toMatchObject({ exitCode: ExitCode.notFound });
    expect(await jsonOf('bindings', 'ls', path)).toMatchObject({
      bindings: [{ destination: { topic: 'audit' } }],
    });
  });

  test('rm says that an auto-delete exchange goes with its last binding', async () => {
    const path = await flights();
    await inStore(path, async (store) => {
      const own = await store.exchange('own', { type: 'fanout', autoDelete: true });
      await own.bind('late');
    });
    const rm = ['bindings', 'rm', path, 'own', 'late'];
    expect((await runCli(rm)).stdout).toContain('and exchange own would go with it');
    expect((await runCli([...rm, '--yes'])).stdout).toContain('exchange own went with it');
    expect(await runCli(['exchanges', 'describe', path, 'own'])).toMatchObject({
      exitCode: ExitCode.notFound,
    });
  });

  test('notes what an exchange does not look at', async () => {
    const path = await flights();
    const noteOf = async (...rest: readonly string[]) =>
      (await runCli(['bindings', 'add', path, ...rest])).stderr;
    expect(await noteOf('delays', 'late', '-p', 'a')).toContain('it looks at no pattern');
    expect(await noteOf('flights', 'late', '-H', 'a=1')).toContain('it looks at no headers');
    expect(await noteOf('delays', 'late', '-H', 'x-a=1')).toContain('it takes everything');
    expect(await noteOf('delays', 'late', '-H', 'a=1')).toBe('');
  });
});

describe('stats and info', () => {
  test('count exchanges and bindings', async () => {
    const path = await flights();
    expect(await jsonOf('stats', path)).toMatchObject({ exchangeCount: 2, bindingCount: 2 });
    expect((await runCli(['info', path])).stdout).toMatch(/\nexchanges +2 with 2 bindings\n/);
  });
});
