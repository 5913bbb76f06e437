/** What the journal says of share groups, folded anew, beside what a model has. */
import { join } from 'node:path';

import { SlotState } from '../../../src/queue/record-state.ts';
import type { SharePartition } from '../../../src/queue/share-partition.ts';
import { shareGroups, shareNameOf, type ShareState } from '../../../src/queue/share-state.ts';
import { Fold } from '../../../src/journal/fold.ts';
import { JOURNAL_DIRECTORY } from '../../../src/format/file-names.ts';
import { registry } from '../journal-bench.ts';
import { Journal } from '../../../src/journal/journal.ts';
import { openLog } from '../../../src/log/open-log.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { bytes } from '../../../src/codec/codec.ts';
import { REDUCERS } from '../../../src/store/store-state.ts';
import { STORE_PATH } from '../store-fixture.ts';
import type { FaultyFileSystem } from '../faulty-file-system.ts';
import { foldOfEntries } from '../simulation/store/journal-hash.ts';
import type { GroupData, Item } from './group-model.ts';

/** Of the topic that has both groups. */
export interface RealGroups {
  readonly queue: ShareState;
  readonly audit: ShareState;
}

/** Null when the groups are not there yet. */
export async function realGroups(fileSystem: FaultyFileSystem): Promise<RealGroups | null> {
  const fold = (await foldOfEntries(fileSystem)) ?? (await foldOfRuns(fileSystem));
  const [topicId] = fold
    .ids(shareGroups)
    .map(shareNameOf)
    .flatMap((name) => (name.group === 'audit' ? [name.topicId] : []));
  const of = (group: string) => fold.get(shareGroups, `${topicId}/${group}`);
  const [queue, audit] = [of('queue'), of('audit')];
  return queue === null || audit === null ? null : { queue, audit };
}

/** As the store loads it: on a full disk the journal lets go of its first entries. */
async function foldOfRuns(fileSystem: FaultyFileSystem): Promise<Fold> {
  const path = join(STORE_PATH, JOURNAL_DIRECTORY);
  const clock = new ManualClock();
  const log = await openLog(path, { fileSystem, clock, codec: bytes, readOnly: true });
  const fold = new Fold(REDUCERS);
  await new Journal({ registry, fold }).load(log);
  await log.close();
  return fold;
}

/** The first thing in which they differ, in words; null = in none. */
export function differenceOf(name: string, model: GroupData, real: ShareState): string | null {
  if (model.isPaused !== real.isPaused) return `${name}: paused is ${real.isPaused}`;
  for (const [number, items] of model.partitions.entries()) {
    const partition = real.partitions.get(number);
    if (partition === undefined) return `${name}: partition ${number} is not there`;
    for (const [offset, item] of items.entries()) {
      const [wanted, found] = [wantedOf(item), foundAt(partition, offset)];
      if (wanted !== found) return `${name} ${number}/${offset} is ${found}, not ${wanted}`;
    }
    for (const [cause, count] of Object.entries(model.tallies[number] ?? {})) {
      const found: unknown = Reflect.get(partition.tally, cause);
      if (found !== count) return `${name} ${number}: ${String(found)} ${cause}, not ${count}`;
    }
    const slots = items.filter(({ state }) => ['ready', 'delayed', 'leased'].includes(state));
    if (partition.table.count !== slots.length) return `${name}: ${partition.table.count} slots`;
    const deadCount = items.filter(({ state }) => state === 'dead').length;
    if (partition.dead.size !== deadCount) return `${name}: ${partition.dead.size} are dead`;
  }
  return null;
}

/** A record as text; the journal does not know when delays end. */
export function wantedOf(item: Item): string {
  const { state, dueMs, firstError, lastError } = item;
  if (state === 'unread' || state === 'settled') return state;
  const said = firstError === '' ? '' : `, said ${firstError} and ${lastError}`;
  if (state === 'dead') return `dead ${trialsOf(item)}${said}`;
  const place = state === 'leased' ? 'leased' : `due ${dueMs}`;
  return `${place} ${trialsOf(item)}${said}`;
}

export function foundAt(partition: SharePartition, offset: number): string {
  const { table, unread, dead, troubles } = partition;
  const slot = table.find(offset);
  const died = dead.get(offset);
  const trouble = died === null ? troubles.get(offset) : died.trouble;
  const said =
    trouble === undefined || trouble === null
      ? ''
      : `, said ${trouble.firstError} and ${trouble.lastError}`;
  if (slot >= 0) {
    const isLeased = table.stateAt(slot) === SlotState.acquired;
    const place = isLeased ? 'leased' : `due ${table.timeAt(slot)}`;
    return `${place} ${trialsOf(partition.trialsAt(slot))}${said}`;
  }
  if (died !== null) return `dead ${trialsOf(died)}${said}`;
  return unread.has(offset) ? 'unread' : 'settled';
}

function trialsOf(trials: Pick<Item, 'attempts' | 'failures' | 'expiries' | 'crashes'>): string {
  const { attempts, failures, expiries, crashes } = trials;
  return `${attempts} attempts, ${failures} failures, ${expiries} expiries, ${crashes} crashes`;
}
