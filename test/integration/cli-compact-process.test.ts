/** `varve compact` as a process: stopped, killed, without rights, and left alone by the owner of the store. */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, onTestFinished, test } from 'vitest';

import { present } from '../../src/core/assert.ts';
import { ExitCode } from '../../tools/exit-codes.ts';
import {
  fillSuperseded,
  foldOf,
  openSuperseded,
  partitionPaths,
  supersededLog,
} from '../support/cli-compaction.ts';
import { FIRST_SEGMENT } from '../support/cli-logs.ts';
import { outputOf, varve } from '../support/cli-stores.ts';
import { distPath, startProgram } from '../support/run-cli.ts';

const cliPath = distPath('tools', 'cli.js');
/** Some three seconds for a partition of `supersededLog`. */
const SLOWLY = ['--rate', '64KiB', '--yes'];

/**
 * Modes of files mean nothing to root, unless it gives up these two capabilities. (As another user
 * the program might not reach its own files, below /root.)
 */
const AS_ANYBODY =
  process.getuid?.() === 0 ? ['setpriv', '--bounding-set=-dac_override,-dac_read_search'] : [];

/** `varve compact` while it goes on. */
class Compacting {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly #said: Promise<readonly [string, string]>;

  constructor(...args: readonly string[]) {
    const child = startProgram(cliPath, ['compact', ...args]);
    onTestFinished(() => void child.kill('SIGKILL'));
    this.#child = child;
    this.#ended = once(child, 'close');
    this.#said = Promise.all([
      text(present(child.stdout, 'a pipe')),
      text(present(child.stderr, 'a pipe')),
    ]);
  }

  /** Lets it rewrite the first segment of a log, and sends a signal then. */
  async stopAfterFirst(log: string, signal: NodeJS.Signals): Promise<void> {
    const file = join(log, FIRST_SEGMENT);
    const { ino } = await stat(file);
    await expect
      .poll(async () => (await stat(file)).ino, { interval: 5, timeout: 20_000 })
      .not.toBe(ino);
    this.#child.kill(signal);
  }

  async end() {
    await this.#ended;
    const [stdout, stderr] = await this.#said;
    const { exitCode, signalCode } = this.#child;
    return { exitCode, signalCode, stdout, stderr };
  }
}

/** Segments that were rewritten. */
async function rewrittenIn(...args: readonly string[]): Promise<number> {
  const { rewrittenSegmentCount } = JSON.parse(await outputOf('verify', ...args, '--json')) as {
    rewrittenSegmentCount: number;
  };
  return rewrittenSegmentCount;
}

describe('a log of its own', () => {
  test('Ctrl-C ends it between two segments, and the next one goes on', async () => {
    const { path, expected } = await supersededLog();
    const compacting = new Compacting(path, '--key', ...SLOWLY);
    await compacting.stopAfterFirst(path, 'SIGINT');
    const { exitCode, stdout, stderr } = await compacting.end();
    expect({ exitCode, stdout }).toEqual({ exitCode: ExitCode.interrupted, stdout: '' });
    expect(stderr).toMatch(/^stopped: what was rewritten stays, freed [\d.]+ KiB so far; run it/);
    expect((await readdir(path)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
    const count = await rewrittenIn(path);
    expect(count).toBeGreaterThan(0);
    expect(count).toBeLessThan(13);
    expect(await foldOf(path)).toEqual(expected);
    expect(await outputOf('compact', path, '--key', '--yes')).toContain(`compacted ${13 - count} `);
    expect(await rewrittenIn(path)).toBe(13);
    expect(await foldOf(path)).toEqual(expected);
  });

  test('of which nothing may be written: a dry run works, --yes says who has no right', async () => {
    const { path } = await supersededLog();
    const readOnly = async (mode: number): Promise<void> => {
      for (const name of await readdir(path)) await chmod(join(path, name), mode);
      await chmod(path, mode + 0o111);
    };
    await readOnly(0o444);
    onTestFinished(() => readOnly(0o644)); // To be removed.
    const run = async (...args: readonly string[]) => {
      const command = [...AS_ANYBODY, process.execPath, cliPath, 'compact', path, '--key'];
      const [program = '', ...rest] = command;
      const child = spawn(program, [...rest, ...args]);
      const closed = once(child, 'close');
      const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
      await closed;
      return { exitCode: child.exitCode, stdout, stderr };
    };
    const planned = await run();
    expect(planned).toMatchObject({ exitCode: ExitCode.ok, stderr: '' });
    expect(planned.stdout).toContain('would free 48.2 KiB in 1 pass');
    const refused = await run('--yes');
    expect(refused).toMatchObject({ exitCode: ExitCode.failure, stdout: '' });
    expect(refused.stderr).toContain('hint: check who owns the directory and its mode');
  });
});

describe('beside the process that has the store open', () => {
  test('Ctrl-C ends there what it began', async () => {
    const { path, store } = await openSuperseded();
    const [first = ''] = await partitionPaths(path, 'last');
    const compacting = new Compacting(path, 'last', ...SLOWLY);
    await compacting.stopAfterFirst(first, 'SIGINT');
    const { exitCode, stdout, stderr } = await compacting.end();
    expect({ exitCode, stdout }).toEqual({ exitCode: ExitCode.interrupted, stdout: '' });
    expect(stderr).toMatch(/^stopped: what was rewritten stays/);
    expect(store.compactions().map(({ partition, state }) => [partition, state])).toEqual([
      [0, 'stopped'],
    ]);
    const count = await rewrittenIn(path, '--topic', 'last');
    expect(count).toBeGreaterThan(0);
    expect(count).toBeLessThan(13);
  });

  test('Ctrl-C in the second topic: what came of the first is told all the same', async () => {
    const { path, store } = await openSuperseded();
    const first = await store.topic('last');
    await first.compact();
    await fillSuperseded(store, 'next', 1);
    const [next = ''] = await partitionPaths(path, 'next');
    const compacting = new Compacting(path, '--json', ...SLOWLY);
    await compacting.stopAfterFirst(next, 'SIGINT');
    const { exitCode, stdout, stderr } = await compacting.end();
    expect(exitCode).toBe(ExitCode.interrupted);
    expect(stderr).toMatch(/^stopped: what was rewritten stays, freed [\d.]+ KiB so far/);
    expect(JSON.parse(stdout)).toMatchObject({
      isDryRun: false,
      isStopped: true,
      partitions: [
        { topic: 'last', partition: 0, result: { supersededCount: 0 }, error: null },
        { topic: 'last', partition: 1, result: { supersededCount: 0 }, error: null },
      ],
    });
  });

  test('killed, it leaves the compaction there going to its end', async () => {
    const { path, store } = await openSuperseded();
    const [first = ''] = await partitionPaths(path, 'last');
    const compacting = new Compacting(path, 'last', '--partition', '0', ...SLOWLY);
    await compacting.stopAfterFirst(first, 'SIGKILL');
    expect(await compacting.end()).toMatchObject({ signalCode: 'SIGKILL', stdout: '' });
    expect(store.compactions().map(({ state }) => state)).toEqual(['running']);
    await expect
      .poll(() => store.compactions()[0]?.state, { interval: 20, timeout: 20_000 })
      .toBe('done');
    expect(await rewrittenIn(path, '--topic', 'last', '--partition', '0')).toBe(13);
  });

  test('which closes the store meanwhile: that is said, and what was rewritten stays', async () => {
    const { path, store } = await openSuperseded();
    const [first = ''] = await partitionPaths(path, 'last');
    const before = await foldOf(first);
    const compacting = new Compacting(path, 'last', ...SLOWLY);
    await compacting.stopAfterFirst(first, 'SIGWINCH'); // Which nobody minds.
    await store.close();
    const { exitCode, stdout, stderr } = await compacting.end();
    expect({ exitCode, stdout }).toEqual({ exitCode: ExitCode.failure, stdout: '' });
    expect(stderr).toContain('closed it before this was done\nhint: what was rewritten stays');
    expect(await foldOf(first)).toEqual(before);
    const done = await varve('compact', path, 'last', '--yes');
    expect(done.exitCode).toBe(ExitCode.ok);
    expect(await rewrittenIn(path, '--topic', 'last')).toBe(26);
  });
});
