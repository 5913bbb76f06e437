/**
 * Kills `varve compact --yes` again and again on the real disk, while it rewrites segments, and looks at what is
 * there: the last record of each key, nothing changed, nothing damaged. What it left the next one finishes.
 *
 * `VARVE_CRASH_CYCLES` sets the number of kills (default 8), `SEED` the moments.
 */
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';

import { openLog, SeededRandom, utf8, verifyLog } from '../../src/index.ts';
import { distPath, runProgram, startProgram } from '../support/run-cli.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const CYCLES = Number(process.env['VARVE_CRASH_CYCLES'] ?? 8);
const SEED = Number(process.env['SEED'] ?? 1 + Math.floor(Math.random() * 1e6));
const cliPath = distPath('tools', 'cli.js');
/** After the first segment was begun it lives for up to so many ms more. */
const LIFE_MS_MAX = 60;
const KEYS = 12;
const BATCHES = 20;
const BATCH_RECORDS = 10;
const APPEND_OPTIONS = { codec: utf8, segmentBytesMax: 4096 } as const;

/** What was appended: by offset, and of each key the last. */
class Model {
  readonly values: string[] = [];
  readonly last = new Map<string, string>();

  async append(path: string, random: SeededRandom): Promise<void> {
    const log = await openLog(path, APPEND_OPTIONS);
    for (let batch = 0; batch < BATCHES; batch++) {
      const baseOffset = this.values.length;
      const records = Array.from({ length: BATCH_RECORDS }, () => this.#next(random));
      expect(await log.appendBatch(records)).toMatchObject({ baseOffset });
    }
    await log.close();
  }

  #next(random: SeededRandom): { readonly key: string; readonly value: string } {
    const key = `key ${Math.floor(random.next() * KEYS)}`;
    const value = `${key} ${this.values.length} `.repeat(8);
    this.values.push(value);
    this.last.set(key, value);
    return { key, value };
  }

  async check(path: string): Promise<void> {
    for await (const event of verifyLog(path)) expect(event.type).toBe('segment');
    const log = await openLog(path, { codec: utf8, readOnly: true });
    const found = new Map<string, string>();
    for await (const { key, value, offset } of log.records()) {
      expect(value).toBe(this.values[offset]);
      found.set(String(key), String(value));
    }
    await log.close();
    expect(found).toEqual(this.last);
    expect(log.endOffset).toBe(this.values.length);
  }
}

/** Kills it while it has an unfinished segment, or a little later. @returns whether it lived until then */
async function compactAndKill(path: string, lifeMs: number): Promise<boolean> {
  const child = startProgram(cliPath, ['compact', path, '--key', '--yes', '--rate', '1MiB']);
  onTestFinished(() => void child.kill('SIGKILL'));
  const closed = once(child, 'close');
  while (child.exitCode === null) {
    if ((await readdir(path)).some((name) => name.endsWith('.tmp'))) break;
    await pause(1);
  }
  await pause(lifeMs);
  child.kill('SIGKILL');
  await closed;
  return child.signalCode === 'SIGKILL';
}

test(`no kill of varve compact changes what a log says (seed ${SEED})`, async () => {
  const random = new SeededRandom(SEED);
  const path = join(await temporaryDirectory(), 'log');
  const model = new Model();
  let killedCount = 0;
  for (let cycle = 0; cycle < CYCLES; cycle++) {
    await model.append(path, random);
    if (await compactAndKill(path, random.next() * LIFE_MS_MAX)) killedCount++;
    await model.check(path);
  }
  expect(killedCount).toBeGreaterThan(CYCLES / 4);
  const done = await runProgram(cliPath, ['compact', path, '--key', '--yes', '--json']);
  expect(done).toMatchObject({ exitCode: 0, stderr: '' });
  expect((await readdir(path)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  await model.check(path);
  const log = await openLog(path, { codec: utf8, readOnly: true });
  const { limitOffset } = JSON.parse(done.stdout).partitions[0].result as { limitOffset: number };
  const keys: unknown[] = [];
  for await (const { key } of log.records({ to: limitOffset })) keys.push(key);
  await log.close();
  expect(new Set(keys).size).toBe(keys.length); // Nothing superseded is left.
});
