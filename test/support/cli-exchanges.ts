/** Exchanges on disk, for tests of the command line. */
import { join } from 'node:path';
import { expect } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/store.ts';
import { ExitCode } from '../../tools/exit-codes.ts';
import { contentsOf } from './cli-logs.ts';
import { runCli } from './run-cli.ts';
import { temporaryDirectory } from './temporary-directory.ts';

/**
 * A closed store: topic exchange `flights` with queue `arrivals` (`flight.*.AMS`) and topic `audit` (`#`),
 * headers exchange `delays`, to which nothing is bound, and queue `late`, to which nothing leads.
 */
export async function flights(): Promise<string> {
  const path = join(await temporaryDirectory(), 'store');
  await inStore(path, async (store) => {
    for (const name of ['arrivals', 'late']) await (await store.queue(name)).close();
    await store.topic('audit');
    const exchange = await store.exchange('flights', { type: 'topic' });
    await exchange.bind('arrivals', { pattern: 'flight.*.AMS' });
    await exchange.bind('audit', { pattern: '#' });
    await store.exchange('delays', { type: 'headers' });
  });
  return path;
}

/** Opens a store, and closes it. */
export async function inStore<T>(path: string, use: (store: Store) => Promise<T>): Promise<T> {
  const store = await openStore(path);
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

/** What a topic or a queue holds on disk. */
export async function valuesIn(path: string, name: string): Promise<readonly (string | null)[]> {
  const store = await openStore(path, { readOnly: true });
  try {
    const topic = await store.topic(name, { codec: utf8, create: false });
    const values: (string | null)[] = [];
    for await (const batch of topic.batches()) for (const { value } of batch) values.push(value);
    return values;
  } finally {
    await store.close();
  }
}

/** What a verb that succeeds prints with `--json`. */
export async function jsonOf(...args: readonly string[]): Promise<unknown> {
  const { exitCode, stdout, stderr } = await runCli(['--quiet', ...args, '--json']);
  expect({ exitCode, stderr }, args.join(' ')).toEqual({ exitCode: ExitCode.ok, stderr: '' });
  return JSON.parse(stdout);
}

/** Names of the files that are others than they were. @param before  as `contentsOf` gave it */
export async function changedFiles(
  path: string,
  before: Readonly<Record<string, string>>,
): Promise<readonly string[]> {
  const now = await contentsOf(path);
  const names = new Set([...Object.keys(before), ...Object.keys(now)]);
  return [...names].filter((name) => before[name] !== now[name]);
}
