/** `varve queue` while another process has the store open: that process does it. */
import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

import { ExitCode } from '../../tools/exit-codes.ts';
import { linesOf } from '../support/cli-logs.ts';
import { varve } from '../support/cli-stores.ts';
import { QueueOwner, RunningVarve } from '../support/cli-queues.ts';
import { runCli, type CliResult } from '../support/run-cli.ts';

function queue(verb: string, { path }: QueueOwner, ...rest: readonly string[]): Promise<CliResult> {
  return runCli(['queue', verb, path, 'email', ...rest]);
}

async function jsonOf(
  verb: string,
  owner: QueueOwner,
  ...rest: readonly string[]
): Promise<unknown> {
  const { exitCode, stdout, stderr } = await queue(verb, owner, ...rest, '--json');
  expect({ exitCode, stderr }).toEqual({ exitCode: ExitCode.ok, stderr: '' });
  return JSON.parse(stdout);
}

function worker({ path }: QueueOwner, script: string, ...rest: readonly string[]): RunningVarve {
  const program = ['--exec', 'sh', ...rest, '--', '-c', script];
  return new RunningVarve('queue', 'work', path, 'email', ...program);
}

describe('while another process has the store open', () => {
  test('that one tells what it knows: leases with their tokens, consumers', async () => {
    const owner = await QueueOwner.start();
    await owner.send('a', 'b');
    await owner.say('acquire');
    expect(await jsonOf('stats', owner)).toMatchObject({
      consumerCount: 1,
      stats: { readyCount: 1, leasedCount: 1 },
    });
    expect(await jsonOf('leases', owner)).toMatchObject({
      leasedCount: 1,
      leases: [
        { partition: 0, offset: 0, attempt: 1, token: expect.stringMatching(/^\d+-1-0-0$/) },
      ],
    });
    const { stdout } = await queue('leases', owner);
    expect(stdout).toMatch(/\n +0 +0 +1 +(?:30|2\d(?:\.\d+)?) s +\d+-1-0-0\n$/);
    expect(await jsonOf('peek', owner)).toMatchObject({
      records: [
        { offset: 0, state: 'leased', attempts: 1, value: 'a' },
        { offset: 1, state: 'ready', attempts: 0, value: 'b' },
      ],
    });
    const listed = await runCli(['queue', 'ls', owner.path, '--ndjson']);
    expect(linesOf(listed.stdout)).toMatchObject([{ topic: 'email', leasedCount: 1 }]);
    expect((await queue('stats', owner, '--group', 'none')).exitCode).toBe(ExitCode.notFound);
  });

  test('that one sends, pauses, purges, and takes a purge back', async () => {
    const owner = await QueueOwner.start();
    const sent = await varve('queue', 'send', owner.path, 'email', 'a', 'b');
    expect(sent).toMatchObject({ exitCode: ExitCode.ok });
    expect(await owner.say()).toMatchObject({ readyCount: 2 });
    expect(await jsonOf('purge', owner)).toMatchObject({ isDryRun: true, recordCount: 2 });
    expect(await owner.say()).toMatchObject({ readyCount: 2 });
    expect(await jsonOf('purge', owner, '--yes')).toMatchObject({ recordCount: 2 });
    expect(await owner.say()).toMatchObject({ readyCount: 0, settled: { purged: 2 } });
    expect(await jsonOf('purge', owner, '--undo', '--yes')).toMatchObject({ recordCount: 2 });
    await queue('pause', owner);
    expect(await owner.say()).toMatchObject({ readyCount: 2, isPaused: true });
    await queue('resume', owner);
    expect(await owner.say()).toMatchObject({ isPaused: false });
  });

  test('and does not listen: it can be looked at, and not be changed', async () => {
    const owner = await QueueOwner.start();
    await owner.send('a', 'b');
    await owner.say('acquire');
    await queue('pause', owner); // Synced, with what was leased before.
    await unlink(join(owner.path, 'control.sock'));
    expect(await jsonOf('stats', owner)).toMatchObject({
      consumerCount: null,
      stats: { readyCount: 1, leasedCount: 1, isPaused: true },
    });
    expect(await jsonOf('leases', owner)).toMatchObject({
      leases: [{ offset: 0, attempt: 1, token: null, leaseLeftMs: null }],
    });
    expect(await jsonOf('peek', owner, '--state', 'ready')).toMatchObject({
      records: [{ offset: 1, value: 'b' }],
    });
    expect(await jsonOf('purge', owner)).toMatchObject({ isDryRun: true, recordCount: 1 });
    for (const [verb = '', ...rest] of [
      ['pause'],
      ['resume'],
      ['send', 'x'],
      ['work', '--exec', 'true'],
      ['purge', '--yes'],
      ['redrive', '--yes'],
    ]) {
      const refused = await queue(verb, owner, ...rest);
      expect(refused, verb).toMatchObject({ exitCode: ExitCode.locked, stdout: '' });
      expect(refused.stderr).toContain('that process does not listen on control.sock');
    }
    expect(await owner.say()).toMatchObject({ readyCount: 1, leasedCount: 1 });
  });

  test('several workers share its records, and each is handled once', async () => {
    const owner = await QueueOwner.start();
    const values = Array.from({ length: 30 }, (_, at) => `v${at}`);
    const input = values.join('\n');
    await runCli(['queue', 'send', owner.path, 'email'], { input });
    const script = 'read v; echo $v';
    const workers = [1, 2, 3].map(() => worker(owner, script, '--once', '-c', '2'));
    const ended = await Promise.all(
      workers.map(async (each) => {
        const lines: string[] = [];
        for (;;) {
          const line = await each.line().catch(() => null);
          if (line === null) break;
          lines.push(line);
        }
        expect(await each.ended).toMatchObject({ exitCode: ExitCode.ok });
        return lines;
      }),
    );
    expect(ended.flat().toSorted()).toEqual(values.toSorted());
    expect(await owner.say()).toMatchObject({ unsettledCount: 0, settled: { acked: 30 } });
  });

  test('a worker that is killed: its record comes back when its lease ends', async () => {
    const owner = await QueueOwner.start({ leaseMs: 400 });
    await owner.send('a');
    const first = worker(owner, 'echo $VARVE_ATTEMPT; sleep 1');
    expect(await first.line()).toBe('1');
    expect(await owner.say()).toMatchObject({ leasedCount: 1 });
    first.kill('SIGKILL');
    await owner.until({ leasedCount: 0, readyCount: 1 });
    const second = worker(owner, 'echo $VARVE_ATTEMPT', '--once');
    expect(await second.line()).toBe('2');
    expect((await second.ended).exitCode).toBe(ExitCode.ok);
    expect(await owner.say()).toMatchObject({ unsettledCount: 0, settled: { acked: 1 } });
  });

  test('a worker renews its leases there', async () => {
    const owner = await QueueOwner.start({ leaseMs: 500 });
    await owner.send('a');
    const running = worker(owner, 'sleep 1.5; echo $VARVE_ATTEMPT', '--once');
    expect(await running.line()).toBe('1');
    expect((await running.ended).stderr).toMatch(/^1 attempt: 1 acknowledged/);
    expect(await owner.say()).toMatchObject({ unsettledCount: 0, settled: { acked: 1 } });
  });

  test('a worker that lost a lease has its command end, and settles nothing', async () => {
    const owner = await QueueOwner.start({ leaseMs: 300 });
    await owner.send('a');
    const script = `trap 'echo caught; exit 0' TERM; echo begin; while :; do sleep 0.05; done`;
    const running = worker(owner, script);
    expect(await running.line()).toBe('begin');
    running.kill('SIGSTOP'); // It renews nothing.
    await owner.until({ leasedCount: 0 });
    await queue('pause', owner);
    running.kill('SIGCONT');
    expect(await running.line()).toBe('caught');
    running.kill('SIGINT');
    expect((await running.ended).stderr).toContain('attempt 1: lost: its lease was over');
    expect(await owner.say()).toMatchObject({ readyCount: 1, settled: { acked: 0 } });
  });

  test('a worker that stops gives nothing away: what it waited for is there', async () => {
    const owner = await QueueOwner.start();
    const running = worker(owner, 'cat; echo');
    await owner.send('first');
    expect(await running.line()).toBe('first');
    running.kill('SIGTERM');
    await owner.send('second');
    await running.ended;
    expect(await owner.say()).toMatchObject({ leasedCount: 0 });
  });

  test('which goes away: a worker waits for it, and goes on', async () => {
    const owner = await QueueOwner.start();
    await owner.send('a');
    const running = worker(owner, 'cat; echo');
    expect(await running.line()).toBe('a');
    await owner.end('SIGKILL');
    const again = await QueueOwner.start({ path: owner.path });
    await again.send('b');
    // Its acknowledgement may have been lost with the process: then the first one comes once more.
    let line = await running.line();
    while (line === 'a') line = await running.line();
    expect(line).toBe('b');
    await again.until({ unsettledCount: 0 });
    await again.end(null);
    const last = await QueueOwner.start({ path: owner.path });
    await last.send('c');
    expect(await running.line()).toBe('c');
    running.kill('SIGINT');
    const { stderr } = await running.ended;
    expect(stderr).toContain('went away: waiting for it to come back');
  });

  test('which closes the store while a worker runs a command: that command is not told of', async () => {
    const owner = await QueueOwner.start();
    await owner.send('a');
    const running = worker(owner, 'echo begin; sleep 0.5');
    expect(await running.line()).toBe('begin');
    const closed = performance.now();
    await owner.end(null);
    expect(performance.now() - closed, 'it waits for no worker').toBeLessThan(3000);
    const again = await QueueOwner.start({ path: owner.path });
    expect(await again.say()).toMatchObject({ settled: { acked: 0 } });
    expect(await running.line(), 'it is handed out once more').toBe('begin');
    await again.until({ settled: expect.objectContaining({ acked: 1 }) });
    running.kill('SIGINT');
    expect((await running.ended).stderr).toContain('lost');
  });
});
