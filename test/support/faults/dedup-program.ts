/** A program of records with ids, many of them sent twice, and what must be true of every disk that it leaves. */
import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict';

import { utf8 } from '../../../src/codec/codec.ts';
import { present } from '../../../src/core/assert.ts';
import { CorruptLogError } from '../../../src/core/errors.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import type { DurabilityLevel } from '../../../src/log/log-options.ts';
import { verifyLog } from '../../../src/log/verify.ts';
import { openStore } from '../../../src/store/open-store.ts';
import type { Store } from '../../../src/store/store.ts';
import type { StoreTopic } from '../../../src/store/store-topic.ts';
import { FaultyFileSystem } from '../faulty-file-system.ts';
import type { Mishap } from './oracle.ts';

export interface DedupSetting {
  readonly durability: DurabilityLevel;
  readonly dedupBy: 'id' | 'content';
}

interface Life {
  readonly store: Store;
  readonly topic: StoreTopic<string>;
}

const PARTITIONS = 2;
/** Of the life before. */
const OLD_IDS = ['old 0', 'old 1', 'old 2'];
const NEW_IDS = Array.from({ length: 12 }, (_, n) => `new ${n}`);

async function openOn(
  fileSystem: FaultyFileSystem,
  { durability, dedupBy }: DedupSetting,
  number: number,
): Promise<Life> {
  const clock = new ManualClock(Date.UTC(2026, 0, 1) + number);
  const random = new SeededRandom(number);
  const store = await openStore('/store', { fileSystem, clock, random, freeBytesMin: 0 });
  // A segment has a few records: logs roll, and are walked segment by segment.
  const options = { codec: utf8, partitions: PARTITIONS, durability, dedupBy } as const;
  const topic = await store.topic('t', { ...options, segmentBytesMax: 4096 });
  return { store, topic };
}

/** As the topic takes it: known by its id, or by what it says. */
function recordOf(id: string, { dedupBy }: DedupSetting) {
  const headers = { pad: 'x'.repeat(500) }; // They do not count.
  return { value: id, headers, dedupId: dedupBy === 'id' ? `id of ${id}` : undefined };
}

/** The store before the program: closed, everything on the disk. */
export async function prepareDedup(setting: DedupSetting): Promise<FaultyFileSystem> {
  const fileSystem = new FaultyFileSystem({ random: new SeededRandom(1) });
  const { store, topic } = await openOn(fileSystem, setting, 1);
  for (const [at, id] of OLD_IDS.entries()) {
    await topic.append(recordOf(id, setting), { partition: at % PARTITIONS });
  }
  await store.close();
  return fileSystem;
}

export class DedupProgram {
  /** Where a record is, of those of which somebody was told. */
  readonly told = new Map<string, string>();
  readonly #fileSystem: FaultyFileSystem;
  readonly #setting: DedupSetting;

  constructor(fileSystem: FaultyFileSystem, setting: DedupSetting) {
    this.#fileSystem = fileSystem;
    this.#setting = setting;
  }

  /** Two callers with the same ids at once, in turns that overlap, singly and in batches. */
  async run(): Promise<void> {
    const life = await openOn(this.#fileSystem, this.#setting, 2);
    const [a, b, c, d, ...others] = NEW_IDS.map((id) => id);
    await Promise.all([
      this.#send(life, present(a, 'twelve'), 0),
      this.#send(life, present(a, 'twelve'), 1),
      this.#send(life, 'old 1', 0),
      this.#send(life, present(b, 'twelve'), 1),
    ]);
    await Promise.all([
      this.#sendBatch(life, [present(c, 'twelve'), 'old 0', present(c, 'twelve')], 0),
      this.#sendBatch(life, [present(d, 'twelve'), present(c, 'twelve')], 1),
      life.topic.append({ value: 'plain', key: 'k', dedupId: 'plain' }, { partition: 0 }),
    ]);
    const sent = others.map((id, at) => this.#send(life, id, at % PARTITIONS));
    const again = others.map((id, at) => this.#send(life, id, (at + 1) % PARTITIONS));
    await Promise.all([...sent, ...again]);
    await life.store.close();
  }

  async #send({ topic }: Life, id: string, partition: number): Promise<void> {
    const { offset, partition: stored } = await topic.append(recordOf(id, this.#setting), {
      partition,
    });
    this.#hear(id, `${stored}/${offset}`);
  }

  async #sendBatch({ topic }: Life, ids: readonly string[], partition: number): Promise<void> {
    const records = ids.map((id) => recordOf(id, this.#setting));
    const { placements, duplicates } = await topic.appendBatch(records, { partition });
    const twins = new Map(duplicates.map((one) => [one.index, `${one.partition}/${one.offset}`]));
    let next = placements[0]?.baseOffset ?? 0;
    for (const [at, id] of ids.entries()) {
      this.#hear(id, twins.get(at) ?? `${partition}/${next++}`);
    }
  }

  /** All who ask hear of the same place. */
  #hear(id: string, place: string): void {
    strictEqual(this.told.get(id) ?? place, place, `${id} has one place`);
    this.told.set(id, place);
  }
}

/** What was told is true of what is there. */
export function checkTold(
  stored: ReadonlyMap<string, string>,
  told: ReadonlyMap<string, string>,
  { setting, mishap }: { readonly setting: DedupSetting; readonly mishap: Mishap },
): void {
  const isKept = setting.durability === 'sync' || mishap === 'kill';
  for (const [id, place] of told) {
    if (isKept || stored.has(id)) strictEqual(stored.get(id), place, `${id} is where it was told`);
  }
}

/**
 * Each record once, and a retry of everything changes nothing but what is missing.
 *
 * @returns where each record was
 */
export async function checkDedup(
  fileSystem: FaultyFileSystem,
  setting: DedupSetting,
): Promise<ReadonlyMap<string, string>> {
  const life = await openOn(fileSystem, setting, 3);
  const before = await contentsOf(life);
  for (const id of OLD_IDS) ok(before.has(id), `${id} is kept`);
  await retryAll(life, setting, before);
  const after = await contentsOf(life);
  for (const id of [...OLD_IDS, ...NEW_IDS]) ok(after.has(id), `${id} is stored`);
  await life.store.close();
  const again = await openOn(fileSystem, setting, 4);
  await retryAll(again, setting, after);
  deepStrictEqual(await contentsOf(again), after);
  const { partitions } = again.topic;
  const paths = Array.from({ length: PARTITIONS }, (_, number) => partitions.at(number).path);
  await again.store.close();
  for (const path of paths) await checkSound(fileSystem, path);
  return before;
}

/** Every table and index is what its batches make. */
async function checkSound(fileSystem: FaultyFileSystem, path: string): Promise<void> {
  for await (const event of verifyLog(path, { fileSystem })) {
    if (event.type === 'damage') throw new CorruptLogError(event.details);
  }
}

/** Each to the partition where it is not. */
async function retryAll(
  { topic }: Life,
  setting: DedupSetting,
  stored: ReadonlyMap<string, string>,
): Promise<void> {
  for (const id of [...OLD_IDS, ...NEW_IDS]) {
    const partition = stored.get(id)?.startsWith('0') === true ? 1 : 0;
    const answer = await topic.append(recordOf(id, setting), { partition });
    strictEqual(answer.duplicate, stored.has(id), `${id} is a duplicate when it is stored`);
    if (answer.duplicate) strictEqual(`${answer.partition}/${answer.offset}`, stored.get(id));
  }
}

/** Where each record is. @throws when one is there twice */
async function contentsOf({ topic }: Life): Promise<ReadonlyMap<string, string>> {
  const places = new Map<string, string>();
  for await (const { value, partition, offset } of topic.records()) {
    ok(value !== null && !places.has(value), `${value} is stored once`);
    places.set(value, `${partition}/${offset}`);
  }
  return places;
}
