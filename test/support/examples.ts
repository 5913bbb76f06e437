/** The programs of `docs/examples`, run as they stand, and killed. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, onTestFinished } from 'vitest';

import type { Random } from '../../src/core/random.ts';
import { packageRoot } from '../../tools/package-root.ts';
import { runProgram } from './run-cli.ts';

const root = packageRoot();

/** What stands in a program of `docs/examples`. */
export function exampleText(name: string): Promise<string> {
  return readFile(join(root, 'docs', 'examples', name), 'utf8');
}

/** A file of this test alone, below the package, so that `varve` is the package itself. */
export async function programOf(source: string): Promise<string> {
  const parent = join(root, 'segments', 'local');
  await mkdir(parent, { recursive: true });
  const directory = await mkdtemp(join(parent, 'example-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const program = join(directory, 'example.mjs');
  await writeFile(program, source);
  return program;
}

/** Runs it to its end, which must be a good one. */
export async function runToEnd(program: string, args: readonly string[]): Promise<void> {
  const { exitCode, stderr } = await runProgram(program, args);
  expect(exitCode, stderr).toBe(0);
}

export interface Kill {
  /** Lines that it may say before. */
  readonly lineCount: number;
  /** Up to so long after the last of them. */
  readonly delayMsMax: number;
  readonly random: Random;
  /** Done at each line that it says. */
  readonly onLine?: () => void;
}

/** Runs a program that does not end, and kills it when it has said so much. */
export async function runAndKill(
  program: string,
  args: readonly string[],
  { lineCount, delayMsMax, random, onLine }: Kill,
): Promise<void> {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const complaints = text(child.stderr);
  const closed = once(child, 'close');
  const lines = createInterface({ input: child.stdout });
  let heardCount = 0;
  for await (const _ of lines) {
    onLine?.();
    if (++heardCount >= lineCount) break;
  }
  await pause(random.next() * delayMsMax);
  child.kill('SIGKILL');
  await closed;
  expect(child.signalCode, await complaints).toBe('SIGKILL');
}
