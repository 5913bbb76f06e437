/** The verbs of exchanges while another process has the store open: that process does it. */
import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { ExitCode } from '../../tools/exit-codes.ts';
import { jsonOf } from '../support/cli-exchanges.ts';
import { QueueOwner } from '../support/cli-queues.ts';
import { varve } from '../support/cli-stores.ts';
import { runCli, type CliResult } from '../support/run-cli.ts';

/** `events`, a topic exchange of a store that another process has open, with queue `email`. */
async function owned(): Promise<QueueOwner> {
  const owner = await QueueOwner.start();
  await done('exchanges', 'create', owner.path, 'events', '-t', 'topic', '--yes');
  return owner;
}

async function done(...args: readonly string[]): Promise<CliResult> {
  const result = await runCli(args);
  expect(result, result.stderr).toMatchObject({ exitCode: ExitCode.ok });
  return result;
}

describe('while another process has the store open', () => {
  test('that one creates, binds and publishes, and what is published reaches its queue', async () => {
    const owner = await owned();
    const { path } = owner;
    await done('bindings', 'add', path, 'events', 'email', '-p', 'mail.#', '--yes');
    const published = await varve('publish', path, 'events', '-r', 'mail.new', 'a', 'b', '--json');
    expect(published.exitCode).toBe(ExitCode.ok);
    expect(JSON.parse(published.stdout)).toMatchObject({
      recordCount: 2,
      destinations: [{ name: 'email', recordCount: 2 }],
    });
    await owner.until({ readyCount: 2 });
    await done('publish', path, 'events', '-r', 'mail.new', 'c', '--confirm', 'routed');
    expect(await owner.say()).toMatchObject({ readyCount: 3 });
    await done('bindings', 'rm', path, 'events', 'email', '-p', 'mail.#', '--yes');
    const { stderr } = await done('publish', path, 'events', '-r', 'mail.new', 'd');
    expect(stderr).toContain('no binding matches');
    await done('exchanges', 'delete', path, 'events', '--yes');
    expect(await jsonOf('exchanges', 'ls', path)).toEqual({ path, exchanges: [] });
    expect(await owner.say()).toMatchObject({ readyCount: 3 });
  });

  test('the past of a new binding is copied there', async () => {
    const owner = await owned();
    const { path } = owner;
    await runCli(['publish', path, 'events', '-r', 'mail.old'], { input: 'a\nb\nc\n' });
    await done('bindings', 'add', path, 'events', 'email', '-p', '#', '--from', '1', '--yes');
    await owner.until({ readyCount: 2 });
    expect((await done('queue', 'peek', path, 'email', '--json')).stdout).not.toContain('"a"');
  });

  test('that one tells how far its destinations are', async () => {
    const owner = await owned();
    const { path } = owner;
    await done('bindings', 'add', path, 'events', 'email', '-p', '#', '--yes');
    await done('publish', path, 'events', 'a', 'b', '--confirm', 'routed');
    expect(await jsonOf('exchanges', 'describe', path, 'events')).toMatchObject({
      bindingCount: 1,
      projection: {
        endOffset: 2,
        error: null,
        destinations: [{ destination: 'email', partition: 0, bindingId: null, isBehind: false }],
      },
    });
    const { stdout } = await done('exchanges', 'describe', path, 'events');
    expect(stdout).toMatch(/\ndestination +partition +position +lag +waits +state\nemail +0 /);
  });

  test('looking works beside it: route, simulate, bindings, topology', async () => {
    const owner = await owned();
    const { path } = owner;
    await done('bindings', 'add', path, 'events', 'email', '-p', 'mail.*', '--yes');
    await done('publish', path, 'events', '-r', 'mail.a', 'a');
    await done('publish', path, 'events', '-r', 'b', 'b');
    expect(await jsonOf('route', path, 'events', 'mail.x')).toMatchObject({
      destinations: ['email'],
    });
    expect(await jsonOf('simulate', path, 'events', '--bind', 'email=b')).toMatchObject({
      destinations: [{ name: 'email', same: 1, added: 1, removed: 0 }],
      unknownFrom: null,
    });
    const { stdout } = await done('topology', 'export', path);
    expect(JSON.parse(stdout)).toEqual({
      exchanges: [
        { name: 'events', type: 'topic', alternate: null, internal: false, autoDelete: false },
      ],
      bindings: [{ exchange: 'events', destination: { queue: 'email' }, pattern: 'mail.*' }],
    });
  });

  test('that one imports a topology, with queues and topics that it lacks', async () => {
    const owner = await owned();
    const { path } = owner;
    const topology = {
      exchanges: [{ name: 'all', type: 'fanout', alternate: 'events' }],
      bindings: [
        { exchange: 'all', destination: { queue: 'email' } },
        { exchange: 'events', destination: { topic: 'audit' }, pattern: '#' },
      ],
    };
    const input = JSON.stringify(topology);
    const args = ['topology', 'import', path, '--create', '--yes'];
    expect(await runCli(args, { input })).toMatchObject({ exitCode: ExitCode.ok });
    await done('publish', path, 'all', 'a');
    await owner.until({ readyCount: 1 });
    expect(await jsonOf('topics', 'describe', path, 'audit')).toMatchObject({ name: 'audit' });
    expect(await jsonOf('exchanges', 'describe', path, 'all')).toMatchObject({
      alternate: 'events',
    });
  });

  test('what it refuses is named as if it were opened here', async () => {
    const owner = await owned();
    const { path } = owner;
    const input = ['a', 'b']
      .map((value) => JSON.stringify({ value, routingKey: value }))
      .join('\n');
    await done('bindings', 'add', path, 'events', 'email', '-p', 'a', '--yes');
    const args = ['publish', path, 'events', '--ndjson', '--mandatory'];
    const refused = await runCli(args, { input });
    expect(refused.exitCode).toBe(ExitCode.failure);
    expect(refused.stderr).toContain('takes record 2 of the input, with routing key "b"');
    await owner.until({ readyCount: 1 });
    const there = await runCli(['exchanges', 'create', path, 'events', '-t', 'topic', '--yes']);
    expect(there).toMatchObject({ exitCode: ExitCode.failure, stdout: '' });
  });

  test('and does not listen: it can be looked at, and not be changed', async () => {
    const owner = await owned();
    const { path } = owner;
    await done('bindings', 'add', path, 'events', 'email', '-p', 'a', '--yes');
    await unlink(join(path, 'control.sock'));
    expect(await jsonOf('route', path, 'events', 'a')).toMatchObject({ destinations: ['email'] });
    expect(await jsonOf('exchanges', 'describe', path, 'events')).toMatchObject({
      projection: null,
    });
    await done('bindings', 'rm', path, 'events', 'email', '-p', 'a'); // A dry run.
    for (const line of [
      'exchanges create PATH new -t topic --yes',
      'exchanges delete PATH events --yes',
      'bindings add PATH events email --yes',
      'bindings rm PATH events email -p a --yes',
      'publish PATH events -r a x',
    ]) {
      const refused = await runCli(line.split(' ').map((word) => (word === 'PATH' ? path : word)));
      expect(refused, line).toMatchObject({ exitCode: ExitCode.locked, stdout: '' });
      expect(refused.stderr).toContain('that process does not listen on control.sock');
    }
    expect(await owner.say()).toMatchObject({ readyCount: 0 });
  });

  test('which closes the store while lines come: the rest is published all the same', async () => {
    const owner = await owned();
    const { path } = owner;
    await done('bindings', 'add', path, 'events', 'email', '-p', '#', '--yes');
    const values = Array.from({ length: 20 }, (_, at) => `${at} ${'x'.repeat(400_000)}`);
    const publishing = runCli(['publish', path, 'events'], { input: values.join('\n') });
    const arrived = async (): Promise<number> => (await owner.say()).readyCount;
    await expect.poll(arrived, { timeout: 6000, interval: 5 }).toBeGreaterThan(0);
    await owner.end(null);
    expect((await publishing).exitCode).toBe(ExitCode.ok);
    const { stdout } = await done('queue', 'stats', path, 'email', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ stats: { readyCount: values.length } });
  });
});
