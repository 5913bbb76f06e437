/** A program of commits over several partitions, and what must be true of every disk that it leaves. */
import { utf8 } from '../../../src/codec/codec.ts';
import { present } from '../../../src/core/assert.ts';
import { ManualClock } from '../../../src/core/clock.ts';
import { SeededRandom } from '../../../src/core/random.ts';
import { offsetsCommitted } from '../../../src/group/group-state.ts';
import { change } from '../../../src/journal/journal.ts';
import type { DurabilityLevel } from '../../../src/log/log-options.ts';
import type { PreparedAppend } from '../../../src/log/prepared-records.ts';
import { openStore } from '../../../src/store/open-store.ts';
import type { Store } from '../../../src/store/store.ts';
import type { StoreTopic } from '../../../src/store/store-topic.ts';
import { FaultyFileSystem } from '../faulty-file-system.ts';
import { identifiedRun, producedRun, tagsIn } from '../tagged-runs.ts';
import type { Mishap } from './oracle.ts';

const TOPIC = 't';
const PRODUCER_ID = 2 ** 53 - 1;

export interface CommitSetting {
  /** How many partitions a commit goes over. */
  readonly partitionCount: number;
  readonly durability: DurabilityLevel;
  /** Whether more commits follow the first three. */
  readonly isLong: boolean;
}

/** What the program was told, and so what must hold. */
interface Told {
  /** Of each commit: its records, by partition. */
  readonly commits: {
    readonly values: ReadonlyMap<number, readonly string[]>;
    isAcknowledged: boolean;
  }[];
  /** Where a record stands, of those whose offset was told. */
  readonly offsets: Map<string, number>;
  readonly plain: Map<string, { readonly partition: number; isAcknowledged: boolean }>;
  /** What is said of a record in its batch; of others nothing. */
  readonly tags: Map<string, string>;
}

interface Life {
  readonly store: Store;
  readonly topic: StoreTopic<string>;
}

type Contents = readonly (readonly string[])[];

async function openOn(
  fileSystem: FaultyFileSystem,
  { partitionCount, durability }: CommitSetting,
  number: number,
): Promise<Life> {
  const clock = new ManualClock(Date.UTC(2026, 0, number));
  const random = new SeededRandom(number);
  const store = await openStore('/store', { fileSystem, clock, random, freeBytesMin: 0 });
  const options = { codec: utf8, partitions: partitionCount, durability } as const;
  return { store, topic: await store.topic(TOPIC, options) };
}

/** The store before the program: closed, everything on the disk. */
export async function prepareCommits(setting: CommitSetting): Promise<FaultyFileSystem> {
  const fileSystem = new FaultyFileSystem({ random: new SeededRandom(1) });
  const { store, topic } = await openOn(fileSystem, setting, 1);
  for (let partition = 0; partition < setting.partitionCount; partition++) {
    await topic.append({ value: `first of ${partition}` }, { partition });
  }
  await store.close();
  return fileSystem;
}

/** The program: alone, in a group, beside plain appends, and behind what is not synced. */
export class CommitProgram {
  readonly told: Told = { commits: [], offsets: new Map(), plain: new Map(), tags: new Map() };
  readonly #fileSystem: FaultyFileSystem;
  readonly #setting: CommitSetting;
  /** File-system calls that were made before the first commit. */
  openingCalls = 0;

  constructor(fileSystem: FaultyFileSystem, setting: CommitSetting) {
    this.#fileSystem = fileSystem;
    this.#setting = setting;
  }

  async run(): Promise<void> {
    const { partitionCount, isLong } = this.#setting;
    const life = await openOn(this.#fileSystem, this.#setting, 2);
    await contentsOf(life, this.#setting); // Opens the logs.
    this.openingCalls = this.#fileSystem.callCount;
    const all = Array.from({ length: partitionCount }, (_, partition) => partition);
    await this.#commit(life, all);
    await this.#append(life, 0);
    const [first = 0, ...rest] = all;
    await Promise.all([
      this.#commit(life, [first]),
      this.#commit(life, rest.length > 0 ? rest : [first]),
      this.#append(life, partitionCount - 1),
      this.#append(life, 0),
    ]);
    if (!isLong) return;
    await this.#commit(life, all.toReversed());
    await Promise.all([this.#append(life, 0, 'sync'), this.#commit(life, all)]);
    await life.topic.sync();
  }

  async #commit({ store, topic }: Life, partitions: readonly number[]): Promise<void> {
    const { commits, offsets } = this.told;
    const number = commits.length;
    const values = new Map(
      partitions.map((partition) => [partition, valuesOf(`commit ${number} in ${partition}`)]),
    );
    const commit = { values, isAcknowledged: false };
    commits.push(commit);
    const appends = [];
    for (const [partition, own] of values) {
      const prepared = await topic.forCommit(
        own.map((value) => ({ value })),
        { partition },
      );
      appends.push(...prepared.map((append) => this.#tagged(append, own, commits.length)));
    }
    const { topicId } = store.describeTopic(TOPIC);
    const positions = [{ partition: 0, logId: 1, offset: 0, epoch: 0, metadata: '' }];
    const group = groupOf(number);
    const groups = [{ topicId, group, positions }];
    const changes = [change(offsetsCommitted, { groups, timeMs: 1 })];
    const { baseOffsets } = await store.committer.commit({ appends, changes });
    commit.isAcknowledged = true;
    for (const [at, own] of [...values.values()].entries()) {
      const baseOffset = present(baseOffsets[at], 'one per append');
      for (const [delta, value] of own.entries()) offsets.set(value, baseOffset + delta);
    }
  }

  /** Of three commits one is of a producer, one has ids, and one says nothing. */
  #tagged(append: PreparedAppend, values: readonly string[], number: number): PreparedAppend {
    const records = append.runs.flatMap((run) => run.records);
    const { tags } = this.told;
    const base = 2 ** 33 * number;
    const producer = { producerId: PRODUCER_ID, producerEpoch: number, confirmed: number };
    if (number % 3 === 1) {
      for (const [n, value] of values.entries()) tags.set(value, tagText(base + n, null));
      return { ...append, runs: [producedRun(records, producer, base)] };
    }
    if (number % 3 === 0) return append;
    // In two runs, of which the second record has an id alone.
    const [first, second] = [records.slice(0, 1), records.slice(1)];
    tags.set(present(values[1], 'two records'), tagText(null, '0000004d00000005'));
    return { ...append, runs: [identifiedRun(first, [null]), identifiedRun(second, [[77, 5]])] };
  }

  async #append({ topic }: Life, partition: number, durability?: DurabilityLevel): Promise<void> {
    const { plain, offsets } = this.told;
    const value = `plain ${plain.size} in ${partition}`;
    const line = { partition, isAcknowledged: false };
    plain.set(value, line);
    const level = durability ?? this.#setting.durability;
    const { offset } = await topic.append({ value }, { partition, durability: level });
    line.isAcknowledged = true;
    offsets.set(value, offset);
    if (level !== 'sync') plain.set(value, line);
  }
}

function tagText(sequence: number | null, fingerprint: string | null): string {
  return `sequence ${sequence}, id ${fingerprint}`;
}

/** What is wrong with what the batches of the topic say, as they stand on the disk. */
async function problemsOfTags(
  disk: FaultyFileSystem,
  { tags }: Told,
  { partitionCount }: CommitSetting,
): Promise<string[]> {
  const [topic] = await disk.list('/store/topics');
  const problems: string[] = [];
  for (let partition = 0; partition < partitionCount; partition++) {
    const log = `/store/topics/${present(topic, 'it was created')}/${partition}`;
    for (const { value, producerId, sequence, fingerprint } of (await tagsIn(disk, log)).records) {
      const expected = tags.get(value) ?? tagText(null, null);
      const found = tagText(sequence, fingerprint);
      if (found !== expected) problems.push(`${value}: ${found}, not ${expected}`);
      const isProduced = producerId === PRODUCER_ID;
      if (isProduced !== (sequence !== null)) problems.push(`${value}: producer ${producerId}`);
    }
  }
  return problems;
}

/** A short one and one that fills a sector. */
function valuesOf(name: string): readonly string[] {
  return [name, `${name}, and more ${'.'.repeat(600)}`];
}

function groupOf(commit: number): string {
  return `group of commit ${commit}`;
}

async function contentsOf({ topic }: Life, { partitionCount }: CommitSetting): Promise<Contents> {
  const contents: string[][] = [];
  for (let partition = 0; partition < partitionCount; partition++) {
    const own: string[] = [];
    for await (const { value } of topic.records({ partitions: partition })) own.push(value ?? '');
    contents.push(own);
  }
  return contents;
}

/**
 * Opens the disk that a crash left, and cuts the power again once it was read.
 *
 * @throws Error that says what is wrong
 */
export async function checkCommits(
  disk: FaultyFileSystem,
  told: Told,
  { setting, mishap }: { readonly setting: CommitSetting; readonly mishap: Mishap },
): Promise<void> {
  const life = await openOn(disk, setting, 3);
  const contents = await contentsOf(life, setting);
  const groups = new Set(life.store.groups().map(({ name }) => name));
  const problems = [
    ...problemsOfCommits(contents, groups, told),
    ...problemsOfPlain(contents, told, { setting, mishap }),
    ...problemsOfOffsets(contents, told),
  ];
  if (problems.length > 0) throw new Error(problems.join('; '));
  // Whoever read it now holds it for durable.
  const left = disk.crashImage({ data: 'none', names: 'none' });
  await life.store.close();
  const again = await openOn(left, setting, 4);
  const found = await contentsOf(again, setting);
  if (JSON.stringify(found) !== JSON.stringify(contents)) {
    throw new Error('a second power cut took what was read after the first');
  }
  const added = await again.topic.append({ value: 'one more' }, { partition: 0 });
  if (added.offset !== found[0]?.length) throw new Error(`appended at ${added.offset}`);
  await again.store.close();
  const wrong = await problemsOfTags(left, told, setting);
  if (wrong.length > 0) throw new Error(wrong.join('; '));
  if (left.openFileCount > 0) throw new Error(`${left.openFileCount} files left open`);
}

function problemsOfCommits(contents: Contents, groups: ReadonlySet<string>, told: Told): string[] {
  const problems: string[] = [];
  for (const [number, { values, isAcknowledged }] of told.commits.entries()) {
    const all = [...values].flatMap(([partition, own]) =>
      own.map((value) => contents[partition]?.filter((one) => one === value).length ?? 0),
    );
    const isThere = all.every((count) => count === 1);
    const isGone = all.every((count) => count === 0);
    if (!isThere && !isGone) problems.push(`commit ${number} is there in part: ${all.join()}`);
    if (isGone && isAcknowledged) problems.push(`commit ${number} was acknowledged and is gone`);
    if (groups.has(groupOf(number)) !== isThere) {
      problems.push(`commit ${number}: the state and the records do not agree`);
    }
  }
  return problems;
}

function problemsOfPlain(
  contents: Contents,
  { plain }: Told,
  { setting, mishap }: { readonly setting: CommitSetting; readonly mishap: Mishap },
): string[] {
  const mustStay = setting.durability === 'sync' || mishap === 'kill';
  return [...plain].flatMap(([value, { partition, isAcknowledged }]) => {
    const isThere = contents[partition]?.includes(value) ?? false;
    return isAcknowledged && mustStay && !isThere ? [`${value} was acknowledged and is gone`] : [];
  });
}

/** A record that is there stands where its caller was told. */
function problemsOfOffsets(contents: Contents, { offsets }: Told): string[] {
  const problems: string[] = [];
  for (const own of contents) {
    for (const [offset, value] of own.entries()) {
      const expected = offsets.get(value) ?? offset;
      if (expected !== offset) problems.push(`${value}: told offset ${expected}, is at ${offset}`);
    }
  }
  return problems;
}
