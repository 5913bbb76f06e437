/** Stores on disk for tests of the command line. */
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

import { bytes, utf8 } from '../../src/codec/codec.ts';
import { present } from '../../src/core/assert.ts';
import { nodeFileSystem } from '../../src/io/node-file-system.ts';
import { ownHome } from '../../src/log/log-home.ts';
import { resolveLogOptions } from '../../src/log/log-options.ts';
import { openLogIn } from '../../src/log/open-log.ts';
import { openStore } from '../../src/store/open-store.ts';
import { readStoreFile } from '../../src/store/store-file.ts';
import type { Store } from '../../src/store/store.ts';
import { contentsOf } from './cli-logs.ts';
import { distPath, runCli, runProgram, type CliResult } from './run-cli.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const cliPath = distPath('tools', 'cli.js');

/** Runs the command from dist, in a process of its own. */
export function varve(...args: readonly string[]): Promise<CliResult> {
  return runProgram(cliPath, args);
}

export interface OpenStore {
  readonly path: string;
  readonly store: Store;
}

/** Topic `orders` with 4 and 2 records in two partitions, of which group `billing` committed 3. */
export async function openOrders(): Promise<OpenStore> {
  const path = join(await temporaryDirectory(), 'store');
  const store = await openStore(path);
  onTestFinished(() => store.close());
  const topic = await store.topic('orders', { codec: utf8, partitions: 2, flushMs: 3_600_000 });
  for (const value of ['a', 'b', 'c', 'd']) {
    await topic.append({ value, createTimeMs: value.charCodeAt(0) }, { partition: 0 });
  }
  await topic.appendBatch([{ value: 'x' }, { value: 'y' }], { partition: 1 });
  await topic.resetGroup('billing', { offset: 3 }, { partitions: [0], dryRun: false });
  return { path, store };
}

/** As `openOrders`, closed. */
export async function orders(): Promise<string> {
  const { path, store } = await openOrders();
  await store.close();
  return path;
}

/** The directory of a partition of `orders`. */
export async function partitionOf(path: string, partition: number): Promise<string> {
  const { stdout } = await runCli(['topics', 'describe', path, 'orders', '--json']);
  const { partitions } = JSON.parse(stdout) as { partitions: { path: string }[] };
  return present(partitions[partition], 'a partition').path;
}

/** As `contentsOf`, but for what the heartbeat of a store that is open writes: two are equal. */
export async function traceOf(path: string): Promise<Record<string, string>> {
  const contents = await contentsOf(path);
  return Object.fromEntries(
    Object.entries(contents).map(([name, content]) => [name, name === 'LOCK' ? '' : content]),
  );
}

/** Writes an entry as a newer Varve, or a bug, would. */
export async function appendToJournal(path: string, value: Uint8Array): Promise<void> {
  const found = await readStoreFile(nodeFileSystem, join(path, 'store.json'));
  const { storeId } = present(found, 'a store');
  const settings = resolveLogOptions({ codec: bytes });
  const home = { ...ownHome(settings), ownerId: storeId, keepReserve: () => Promise.resolve() };
  const log = await openLogIn(join(path, 'journal'), settings, home);
  await log.append({ value });
  await log.close();
}

/** What a command prints, which must succeed and say nothing else. */
export async function outputOf(...args: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await runCli(args);
  if (exitCode !== 0 || stderr !== '') throw new Error(`exit code ${exitCode}: ${stderr}`);
  return stdout;
}

/** What `topics describe` tells. */
export async function topicOptionsOf(path: string, topic: string): Promise<unknown> {
  return JSON.parse(await outputOf('topics', 'describe', path, topic, '--json'));
}
