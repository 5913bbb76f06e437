/** `varve queue work`: what becomes of records by how their commands end. */
import { describe, expect, onTestFinished, test } from 'vitest';

import { ExitCode } from '../../tools/exit-codes.ts';
import { varve } from '../support/cli-stores.ts';
import { emails, RunningVarve } from '../support/cli-queues.ts';
import { runCli, type CliResult } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

/** Runs `script` for each record, in a shell that the command line is given as its program. */
function work(path: string, script: string, ...options: readonly string[]): Promise<CliResult> {
  const program = ['--exec', 'sh', ...options, '--', '-c', script];
  return varve('queue', 'work', path, 'email', ...program);
}

async function statsOf(path: string, name = 'email'): Promise<unknown> {
  const { stdout } = await runCli(['queue', 'stats', path, name, '--json']);
  return (JSON.parse(stdout) as { stats: unknown }).stats;
}

async function peek(path: string, name = 'email'): Promise<unknown> {
  const { stdout } = await runCli(['queue', 'peek', path, name, '--json']);
  return (JSON.parse(stdout) as { records: unknown }).records;
}

/** A second attempt is not made meanwhile, however slow the machine is. */
const MUCH_LATER = ['--retry-delay-ms', '600000'];

describe('a command', () => {
  test('gets the value on its stdin, and the rest in its environment', async () => {
    const path = await emails([]);
    await runCli(['queue', 'send', path, 'email', 'the value', '--key', 'k']);
    const script =
      'cat; echo " $VARVE_TOPIC $VARVE_GROUP $VARVE_PARTITION $VARVE_OFFSET $VARVE_KEY $VARVE_ATTEMPT $VARVE_TOKEN"';
    const { exitCode, stdout, stderr } = await work(path, script, '--once');
    expect(stdout).toMatch(/^the value email queue 0 0 k 1 \d+-1-0-0\n$/);
    expect(stderr).toMatch(/^1 attempt: 1 acknowledged, 0 failed, in /);
    expect(exitCode).toBe(ExitCode.ok);
    expect(await statsOf(path)).toMatchObject({ unsettledCount: 0, settled: { acked: 1 } });
  });

  test('has a key that is no text in base64', async () => {
    const path = await emails([]);
    const input = '{"value":null,"key":{"base64":"AP8="}}\n';
    await runCli(['queue', 'send', path, 'email', '--ndjson'], { input });
    const { stdout } = await work(
      path,
      'cat; echo "$VARVE_KEY_BASE64 ${VARVE_KEY-none}"',
      '--once',
    );
    expect(stdout).toBe('AP8= none\n');
  });

  test('is no shell: its arguments are what they are', async () => {
    const path = await emails(['a']);
    const args = ['--exec', 'printf', '--once', '--', '%s|%s\n', '$(id); `id`', '--once'];
    const { stdout } = await varve('queue', 'work', path, 'email', ...args);
    expect(stdout).toBe('$(id); `id`|--once\n');
  });

  test('need not read its input, however long that is', async () => {
    const path = await emails(['x'.repeat(900_000)]);
    expect((await work(path, 'exit 0', '--once')).stderr).toContain('1 acknowledged');
  });

  test('acknowledges, fails, and puts off by its exit code', async () => {
    const path = await emails(['0', '3', '75', 'kill']);
    const script = 'read v; case $v in kill) kill -KILL $$;; *) exit $v;; esac';
    const { stdout, stderr } = await work(path, script, '--once', '--json', '-v', ...MUCH_LATER);
    expect(JSON.parse(stdout)).toMatchObject({
      topic: 'email',
      ackedCount: 1,
      failedCount: 2,
      deferredCount: 1,
      givenBackCount: 0,
      lostCount: 0,
    });
    expect(stderr).toContain('partition 0 offset 1 attempt 1: failed, sh: exit code 3, in ');
    expect(stderr).toContain('partition 0 offset 3 attempt 1: failed, sh: killed by SIGKILL, in ');
    expect(await peek(path)).toMatchObject([
      { offset: 1, state: 'delayed', failures: 1, lastError: 'sh: exit code 3' },
      { offset: 2, state: 'delayed', attempts: 1, failures: 0, lastError: null },
      { offset: 3, state: 'delayed', failures: 1, lastError: 'sh: killed by SIGKILL' },
    ]);
  });

  test('that always fails is tried as often as the queue says, then it is a dead letter', async () => {
    const path = await emails(['a']);
    const script = 'echo $VARVE_ATTEMPT; exit 1';
    const { stdout } = await work(path, script, '--idle-exit-ms', '300', '--retry-delay-ms', '20');
    expect(stdout).toBe('1\n2\n3\n');
    expect(await statsOf(path)).toMatchObject({ unsettledCount: 0, settled: { failures: 1 } });
    expect(await peek(path, 'email.dead')).toMatchObject([{ state: 'ready', value: 'a' }]);
  });

  test('that hangs is killed with all that it started, and has failed', async () => {
    const path = await emails(['a']);
    const started = performance.now();
    const options = ['--once', '--timeout-ms', '200', '-v', '--lease-ms', '300', ...MUCH_LATER];
    const { stderr } = await work(path, 'sleep 60 | cat', ...options);
    expect(stderr).toContain('attempt 1: failed, sh: no end in 200 ms');
    expect(performance.now() - started).toBeLessThan(20_000);
    expect(await statsOf(path)).toMatchObject({ delayedCount: 1, settled: { failures: 0 } });
  });

  test('that takes longer than its lease keeps it', async () => {
    const path = await emails(['a']);
    const { stdout } = await work(
      path,
      'sleep 0.5; echo $VARVE_ATTEMPT',
      '--lease-ms',
      '100',
      '--once',
    );
    expect(stdout).toBe('1\n');
    expect(await statsOf(path)).toMatchObject({ unsettledCount: 0, settled: { acked: 1 } });
  });

  test('that cannot be run ends the work: its record is as it was', async () => {
    const path = await emails(['a', 'b']);
    const ran = await varve('queue', 'work', path, 'email', '--exec', '/none/such');
    expect(ran.exitCode).toBe(ExitCode.usage);
    expect(ran.stderr).toContain('error: cannot run /none/such: spawn /none/such ENOENT');
    expect(await peek(path)).toMatchObject([
      { offset: 0, state: 'ready', attempts: 0 },
      { offset: 1, state: 'ready', attempts: 0 },
    ]);
  });

  test('runs as often at a time as it may', async () => {
    const path = await emails(['a', 'b', 'c', 'd']);
    const directory = await temporaryDirectory();
    // Each waits for the one beside it: alone, it would wait for ever.
    const script = [
      `touch ${directory}/$VARVE_OFFSET`,
      `while [ ! -e ${directory}/$((VARVE_OFFSET ^ 1)) ]; do sleep 0.01; done`,
    ].join('; ');
    const { stderr } = await work(path, script, '--once', '-c', '2', '--timeout-ms', '10000');
    expect(stderr).toMatch(/^4 attempts: 4 acknowledged, 0 failed/);
  });
});

describe('the worker', () => {
  test('waits for records, and ends by Ctrl-C when what runs has ended', async () => {
    const path = await emails(['a']);
    const script = 'echo begin; sleep 0.5; echo end';
    const args = ['--exec', 'sh', '--', '-c', script];
    const running = new RunningVarve('queue', 'work', path, 'email', ...args);
    expect(await running.line()).toBe('begin');
    running.kill('SIGINT');
    expect(await running.line()).toBe('end');
    const { exitCode, stderr } = await running.ended;
    expect({ exitCode, stderr }).toMatchObject({ exitCode: ExitCode.interrupted });
    expect(stderr).toMatch(/^1 attempt: 1 acknowledged/);
    expect(await statsOf(path)).toMatchObject({ unsettledCount: 0 });
  });

  test('says that its queue is paused', async () => {
    const path = await emails(['a']);
    await runCli(['queue', 'pause', path, 'email']);
    const paused = await work(path, 'echo ran', '--once');
    expect(paused).toMatchObject({ exitCode: ExitCode.ok, stdout: '' });
    expect(paused.stderr).toMatch(
      /^queue email is paused: varve queue resume has it hand out records again\n0 attempts: /,
    );
    await runCli(['queue', 'resume', path, 'email']);
    const resumed = await work(path, 'echo ran', '--once');
    expect(resumed.stdout).toBe('ran\n');
    expect(resumed.stderr).toMatch(/^1 attempt: 1 acknowledged/);
  });

  test('gives back what runs by a second signal', async () => {
    const path = await emails(['a']);
    const script = `trap 'echo caught; exit 9' TERM; echo begin; while :; do sleep 0.05; done`;
    const args = ['--exec', 'sh', '--', '-c', script];
    const running = new RunningVarve('queue', 'work', path, 'email', ...args);
    expect(await running.line()).toBe('begin');
    running.kill('SIGTERM');
    // The same signal twice at once is one, as npx passes it on; later it is another.
    const again = setTimeout(() => running.kill('SIGTERM'), 1000);
    onTestFinished(() => clearTimeout(again));
    expect(await running.line()).toBe('caught');
    const { stderr } = await running.ended;
    expect(stderr).toContain('1 attempt: 0 acknowledged, 0 failed, 1 given back');
    expect(await peek(path)).toMatchObject([{ state: 'ready', attempts: 1, failures: 0 }]);
  });

  test('is a process that others ask while it has the store open', async () => {
    const path = await emails(['a']);
    const args = ['--exec', 'cat', '--idle-exit-ms', '20000'];
    const running = new RunningVarve('queue', 'work', path, 'email', ...args);
    await expect.poll(() => statsOf(path), { timeout: 5000 }).toMatchObject({ unsettledCount: 0 });
    const sent = await varve('queue', 'send', path, 'email', 'b');
    expect(sent).toMatchObject({ exitCode: ExitCode.ok });
    await expect
      .poll(() => statsOf(path), { timeout: 5000 })
      .toMatchObject({ settled: { acked: 2 } });
    running.kill('SIGINT');
    expect((await running.ended).stderr).toMatch(/^2 attempts: 2 acknowledged/);
  });

  test('killed beside its store, leaves a record that comes back', async () => {
    const path = await emails(['a']);
    const args = ['--exec', 'sh', '--', '-c', 'echo begin; sleep 2'];
    const running = new RunningVarve('queue', 'work', path, 'email', ...args);
    await running.line();
    running.kill('SIGKILL');
    const { stdout } = await work(path, 'echo $VARVE_ATTEMPT', '--once');
    expect(stdout).toBe('2\n');
  });
});
