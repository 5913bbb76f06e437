/** `varve queue redrive`: beside a process that has the store open, and alone. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { openStore } from '../../src/store/open-store.ts';
import { ExitCode } from '../../tools/exit-codes.ts';
import { contentsOf } from '../support/cli-logs.ts';
import { varve } from '../support/cli-stores.ts';
import { emails, QueueOwner } from '../support/cli-queues.ts';
import { runCli, type CliResult } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

function redrive(path: string, name: string, ...rest: readonly string[]): Promise<CliResult> {
  return runCli(['queue', 'redrive', path, name, ...rest]);
}

async function jsonOf(path: string, name: string, ...rest: readonly string[]): Promise<unknown> {
  const { exitCode, stdout, stderr } = await redrive(path, name, ...rest, '--json');
  expect({ exitCode, stderr }).toEqual({ exitCode: ExitCode.ok, stderr: '' });
  return JSON.parse(stdout);
}

/** All that waits in the queue fails until it is dead. */
async function failAll(path: string): Promise<void> {
  const how = ['--exec', 'false', '--retry-delay-ms', '0', '--once', '-c', '8'];
  expect(await varve('queue', 'work', path, 'email', ...how)).toMatchObject({ exitCode: 0 });
}

async function readyIn(path: string, name: string): Promise<unknown> {
  const { stdout } = await runCli(['queue', 'stats', path, name, '--json']);
  return (JSON.parse(stdout) as { stats: { readyCount: number } }).stats.readyCount;
}

describe('dead letters', () => {
  test('go back to where they came from: a dry run unless --yes', async () => {
    const path = await emails(['a', 'b', 'c']);
    await failAll(path);
    const before = await contentsOf(path);
    expect(await jsonOf(path, 'email.dead')).toMatchObject({
      isDryRun: true,
      movedCount: 3,
      destinations: [{ topic: 'email', count: 3 }],
    });
    const dryRun = await redrive(path, 'email.dead');
    expect(dryRun.stdout).toBe(
      'to     records\nemail        3\n' +
        'would move 3 records of queue email.dead; nothing was changed, --yes does it\n',
    );
    expect(await contentsOf(path)).toEqual(before);
    expect(await jsonOf(path, 'email.dead', '--yes')).toMatchObject({
      isDryRun: false,
      movedCount: 3,
      destinations: [{ topic: 'email', count: 3 }],
    });
    expect([await readyIn(path, 'email'), await readyIn(path, 'email.dead')]).toEqual([3, 0]);
    expect(await jsonOf(path, 'email.dead', '--yes')).toMatchObject({ movedCount: 0 });
  });

  test('one by one, so many, by reason, to another queue, and slowly', async () => {
    const path = await emails(['a', 'b', 'c', 'd', 'e', 'f']);
    await failAll(path);
    const dead = (...rest: readonly string[]): Promise<unknown> =>
      jsonOf(path, 'email.dead', ...rest);
    expect(await dead('--reason', 'crash')).toMatchObject({ movedCount: 0, skippedCount: 6 });
    expect(await dead('--reason', 'crash', '--reason', 'failures')).toMatchObject({
      movedCount: 6,
    });
    expect(await dead('--record', '1', '--record', '0:3', '--yes')).toMatchObject({
      movedCount: 2,
    });
    const named = await redrive(path, 'email.dead', '--record', '1', '--record', '77', '--yes');
    expect(named.stdout).toBe(
      'moved 0 records of queue email.dead\n1 record left: settled\n1 record not found\n',
    );
    expect(await dead('-n', '1', '--to', 'orders', '--yes')).toMatchObject({
      movedCount: 1,
      destinations: [{ topic: 'orders', count: 1 }],
    });
    const started = performance.now();
    expect(await dead('--rate', '10', '--yes')).toMatchObject({ movedCount: 3 });
    expect(performance.now() - started, 'two pauses').toBeGreaterThan(190);
    expect([await readyIn(path, 'email'), await readyIn(path, 'email.dead')]).toEqual([5, 0]);
  });

  test('say in a table why they died, beside the headers of their sender', async () => {
    const path = await emails([]);
    await runCli(['queue', 'send', path, 'email', 'a', '-H', 'from=ada']);
    const living = await runCli(['queue', 'peek', path, 'email']);
    expect(living.stdout).toMatch(/failures  key  headers   value\n.* from=ada  a\n$/);
    await failAll(path);
    const { stdout } = await runCli(['queue', 'peek', path, 'email.dead']);
    expect(stdout).toMatch(/failures  died of +died with +key  headers   value\n/);
    expect(stdout).toMatch(/ 0  failures, 3 attempts  false: exit code 1       from=ada  a\n$/);
  });

  test('do not pass their attempts off as those of the records that died', async () => {
    const path = await emails(['a']);
    await failAll(path);
    const work = ['--exec', 'sh', '--once', '--retry-delay-ms', '600000', '--', '-c', 'exit 7'];
    await varve('queue', 'work', path, 'email.dead', ...work);
    const { stdout } = await runCli(['queue', 'peek', path, 'email.dead']);
    const [titles, row] = stdout.split('\n');
    expect(titles).toMatch(/attempts  failures  last error +died of +died with +key/);
    expect(row).toMatch(/ 1 +1  sh: exit code 7  failures, 3 attempts  false: exit code 1 /);
  });

  test('say which records they were, and so does what was driven back', async () => {
    const path = await emails(['a']);
    await failAll(path);
    const peeked = await runCli(['queue', 'peek', path, 'email.dead', '--json']);
    const died = { kind: 'dead-letter', topic: 'email', partition: 0, offset: 0 };
    expect(JSON.parse(peeked.stdout)).toMatchObject({ records: [{ value: 'a', cause: died }] });
    const cat = await runCli(['cat', path, '--topic', 'email.dead', '--json']);
    expect(JSON.parse(cat.stdout)).toMatchObject({ value: 'a', cause: died });
    await redrive(path, 'email.dead', '--yes');
    const back = await runCli(['cat', path, '--topic', 'email', '--json']);
    const [first = '', second = ''] = back.stdout.split('\n');
    expect(JSON.parse(first)).not.toHaveProperty('cause');
    const cause = { kind: 'redriven', topic: 'email.dead', partition: 0, offset: 0 };
    expect(JSON.parse(second)).toMatchObject({ value: 'a', cause });
  });

  test('that are few among very many are all found, question by question', async () => {
    const path = join(await temporaryDirectory(), 'store');
    const store = await openStore(path);
    const queue = await store.queue('email', {
      codec: utf8,
      failuresMax: 1,
      deadLetter: 'email.dead',
    });
    const count = 5000;
    await queue.sendBatch(Array.from({ length: count }, (_, at) => ({ value: String(at) })));
    const isRejected = ({ offset }: { readonly offset: number }) => offset % 2 === 1;
    for (let left = count; left > 0;) {
      const deliveries = await queue.acquire({ max: 1000 });
      left -= deliveries.length;
      await Promise.all(
        deliveries.map((delivery) =>
          isRejected(delivery) ? delivery.reject('no') : delivery.release({ failed: true }),
        ),
      );
    }
    await store.close();
    expect(await jsonOf(path, 'email.dead', '--reason', 'rejected', '--yes')).toMatchObject({
      movedCount: count / 2,
      skippedCount: count / 2,
    });
    expect(await readyIn(path, 'email')).toBe(count / 2);
    expect(await jsonOf(path, 'email.dead', '--reason', 'rejected')).toMatchObject({
      movedCount: 0,
    });
  });

  test('with nowhere to go stay where they are', async () => {
    const path = await emails(['a']);
    await failAll(path);
    await runCli(['topics', 'delete', path, 'email', '--yes']);
    const gone = await redrive(path, 'email.dead', '--yes');
    expect(gone).toMatchObject({ exitCode: ExitCode.notFound, stdout: '' });
    expect(gone.stderr).toBe(
      'error: there is no topic email\nhint: nothing was moved; --to sends records elsewhere\n',
    );
    expect(await readyIn(path, 'email.dead')).toBe(1);
  });

  test('of a process that has the store open are moved by that one', async () => {
    const owner = await QueueOwner.start();
    await owner.send('a', 'b');
    await failAll(owner.path);
    expect(await owner.say()).toMatchObject({ unsettledCount: 0, settled: { failures: 2 } });
    expect(await jsonOf(owner.path, 'email.dead')).toMatchObject({ isDryRun: true, movedCount: 2 });
    expect(await owner.say()).toMatchObject({ readyCount: 0 });
    expect(await jsonOf(owner.path, 'email.dead', '--yes')).toMatchObject({ movedCount: 2 });
    expect(await owner.say()).toMatchObject({ readyCount: 2 });
    const gone = await redrive(owner.path, 'email.dead', '--to', 'none');
    expect(gone).toMatchObject({ exitCode: ExitCode.notFound });
    expect(gone.stderr).toContain('hint: nothing was moved; a topic or queue must be there first');
  });
});

test('dead records that were kept are ready again', async () => {
  const path = await emails(['a', 'b'], { deadLetter: null });
  await failAll(path);
  const { stdout } = await runCli(['queue', 'peek', path, 'email', '--ndjson', '-n', '1']);
  expect(JSON.parse(stdout)).toMatchObject({
    state: 'dead',
    reason: 'failures',
    failures: 3,
    lastError: 'false: exit code 1',
  });
  expect(await readyIn(path, 'email')).toBe(0);
  expect(await jsonOf(path, 'email', '--yes')).toMatchObject({
    movedCount: 2,
    destinations: [{ topic: 'email', count: 2 }],
  });
  expect(await readyIn(path, 'email')).toBe(2);
});
