/** Processes that lock one directory at the same moment, each in its way: never more than one does. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { describe, expect, onTestFinished, test } from 'vitest';

import type { LockChoice } from '../../src/io/file-system.ts';
import { WORKING } from '../support/lock-processes.ts';
import { distPath } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const ROUNDS = process.env['VARVE_CRASH_CYCLES'] === undefined ? 20 : 200;
const RACER = distPath('test', 'support', 'lock-racer.js');

const CHOICES = WORKING.map(([choice]) => choice).filter((choice) => choice !== 'auto');
const PAIRS = CHOICES.flatMap((one, index) =>
  CHOICES.slice(index).map((other) => [one, other] as const),
);

type Ask = (command: string) => Promise<string>;

async function startRacer(choice: LockChoice): Promise<Ask> {
  const child = spawn(process.execPath, [RACER, choice], { stdio: ['pipe', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout });
  await once(lines, 'line');
  return async (command) => {
    const answered = once(lines, 'line');
    child.stdin.write(`${command}\n`);
    const [line] = await answered;
    return String(line);
  };
}

/** All at once; the answers, in order of the alphabet. */
async function race(racers: readonly Ask[], path: string): Promise<string[]> {
  const answers = await Promise.all(racers.map((ask) => ask(`take ${path}`)));
  await Promise.all(racers.map((ask) => ask('release')));
  return answers.toSorted();
}

describe.skipIf(process.platform !== 'linux')('two that lock at the same moment', () => {
  test.each(PAIRS)('%s and %s: one holds it, one is refused', async (one, other) => {
    const root = await temporaryDirectory();
    const racers = await Promise.all([one, other].map(startRacer));
    for (let round = 0; round < ROUNDS; round += 1) {
      const path = join(root, `d${round % 2 === 0 ? round : 'again'}`);
      await mkdir(path, { recursive: true });
      expect(await race(racers, path)).toEqual(['held', 'refused']);
    }
    const left = (await readdir(root, { recursive: true })).filter((name) => /claim/.test(name));
    expect(left).toEqual([]);
  });

  test('and several, of all kinds', async () => {
    const root = await temporaryDirectory();
    const racers = await Promise.all(
      ([...CHOICES, 'auto', 'owner-record'] as const).map(startRacer),
    );
    for (let round = 0; round < ROUNDS; round += 1) {
      const path = join(root, `d${round}`);
      await mkdir(path);
      const others = racers.slice(1).map(() => 'refused');
      expect(await race(racers, path)).toEqual(['held', ...others]);
    }
  });
});
