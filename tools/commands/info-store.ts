/** `varve info <store>`: what a store is, also where its journal is damaged. */
import { join } from 'node:path';
import type { CorruptLogDetails } from '../../src/index.ts';
import { STORE_FILE } from '../../src/format/file-names.ts';
import type { LockState } from '../../src/io/file-system.ts';
import { nodeFileSystem } from '../../src/io/node-file-system.ts';
import { readStoreFile, STORE_VERSION } from '../../src/store/store-file.ts';
import type { CommandContext } from '../command.ts';
import { ExitCode } from '../exit-codes.ts';
import { figurePairs, figuresOf, type StoreFigures } from '../store-figures.ts';
import { exitCodeOf, healthPairs } from '../store-health.ts';
import { lookPastDamage } from '../store-logs.ts';
import { formatPairs } from '../table.ts';
import { listTopics, topicTable, type ListedTopic } from '../topic-table.ts';

/** As `--json` prints it; the keys are a documented contract. */
interface StoreInfo extends StoreFigures {
  readonly path: string;
  readonly storeId: number | null;
  readonly formatVersion: number;
  readonly lock: LockState;
  /** Why the journal cannot be read to its end; null when it can. */
  readonly damage: CorruptLogDetails | null;
  readonly topics: readonly ListedTopic[];
}

export async function runStoreInfo(
  context: CommandContext,
  path: string,
  { json }: { readonly json?: true },
): Promise<ExitCode> {
  const info = await infoOf(path, context.signal);
  if (json === true) context.output.write(`${JSON.stringify(info)}\n`);
  else writeText(context, info);
  return info.damage === null ? exitCodeOf(info.health) : ExitCode.corrupt;
}

async function infoOf(path: string, signal: AbortSignal): Promise<StoreInfo> {
  const identity = await readStoreFile(nodeFileSystem, join(path, STORE_FILE));
  const lock = await nodeFileSystem.lockState(path);
  return lookPastDamage(path, async (store) => {
    const figures = await figuresOf(store, signal);
    const topics: ListedTopic[] = [];
    for await (const topic of listTopics(store, signal)) topics.push(topic);
    const damage = store.damage?.details ?? null;
    const storeId = identity?.storeId ?? null;
    return { path, storeId, formatVersion: STORE_VERSION, ...figures, lock, damage, topics };
  });
}

function writeText({ output }: CommandContext, info: StoreInfo): void {
  const { path, storeId, formatVersion, lock, health, topics } = info;
  output.write(
    formatPairs([
      ['store', path],
      ['id', String(storeId)],
      ['format', String(formatVersion)],
      ...figurePairs(info, lock),
      ...healthPairs(health),
    ]),
  );
  if (topics.length > 0) output.write(`\n${topicTable(topics)}`);
}
