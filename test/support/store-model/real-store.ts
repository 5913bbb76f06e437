/** The real store of a model test, with handles that follow it through closes and power cuts. */
import { deepStrictEqual } from 'node:assert/strict';
import { join } from 'node:path';

import { utf8 } from '../../../src/codec/codec.ts';
import type { ConsumerGroup } from '../../../src/group/consumer-group.ts';
import type { Log } from '../../../src/log/log.ts';
import type { Store } from '../../../src/store/store.ts';
import type { StoreTopic } from '../../../src/store/store-topic.ts';
import { TOPICS_DIRECTORY } from '../../../src/format/file-names.ts';
import { topicIdOf } from '../../../src/topic/topic-names.ts';
import type { StoreDisk } from '../store-disk.ts';
import { STORE_PATH } from '../store-fixture.ts';
import type { ModelRecord, StoreModel } from './model.ts';

export class RealStore {
  readonly disk: StoreDisk;
  #store: Store | null = null;
  readonly #topics = new Map<string, StoreTopic<string>>();
  readonly #members = new Map<string, ConsumerGroup<string>>();

  constructor(disk: StoreDisk) {
    this.disk = disk;
  }

  async store(): Promise<Store> {
    this.#store ??= await this.disk.open();
    return this.#store;
  }

  async topic(name: string): Promise<StoreTopic<string>> {
    const known = this.#topics.get(name);
    if (known !== undefined) return known;
    const topic = await (await this.store()).topic(name, { codec: utf8, create: false });
    this.#topics.set(name, topic);
    return topic;
  }

  async logOf(topicName: string, partition: number): Promise<Log<Uint8Array>> {
    return (await this.topic(topicName)).partitions.at(partition).log();
  }

  /** The topic was deleted, with its members. */
  forgetTopic(name: string): void {
    this.#topics.delete(name);
    for (const id of this.#members.keys()) {
      if (id.slice(0, id.lastIndexOf(' ')) === name) this.#members.delete(id);
    }
  }

  /** The one member of a group; joins when there is none. */
  async member(topicName: string, group: string): Promise<ConsumerGroup<string>> {
    const id = `${topicName} ${group}`; // No name of a group has a space.
    const known = this.#members.get(id);
    if (known !== undefined) return known;
    const member = await (await this.topic(topicName)).consumerGroup(group);
    this.#members.set(id, member);
    return member;
  }

  async leave(topicName: string, group: string): Promise<void> {
    const id = `${topicName} ${group}`;
    await this.#members.get(id)?.close();
    this.#members.delete(id);
  }

  async close(): Promise<void> {
    await this.#store?.close();
    this.#forget();
    deepStrictEqual(this.disk.clock.pendingTimerCount, 0, 'timers are left');
    deepStrictEqual(this.disk.fileSystem.openFileCount, 0, 'files are left open');
    deepStrictEqual(this.disk.fileSystem.violations, []);
  }

  /** What was not synced may be gone. */
  cutPower(): void {
    this.disk.cutPower({});
    this.#forget();
  }

  kill(): void {
    this.disk.kill();
    this.#forget();
  }

  async recordsOf(name: string, partition: number, from = 0): Promise<ModelRecord[]> {
    const records: ModelRecord[] = [];
    const topic = await this.topic(name);
    for await (const { key, value, offset } of topic.records({ partitions: partition, from })) {
      deepStrictEqual(offset, from + records.length);
      records.push({ key, value: value ?? '' });
    }
    return records;
  }

  /** All records of the newest commit can be read, in all its partitions that are still there. */
  async checkLastCommit({ lastCommit, topics }: StoreModel): Promise<void> {
    for (const { name, topic, partition, offset, record } of lastCommit) {
      if (topics.get(name) !== topic) continue; // Deleted since.
      const found = await (await this.topic(name)).read({ partition, offset });
      deepStrictEqual({ key: found?.key, value: found?.value }, record, `${name}/${partition}`);
    }
  }

  /** Compares everything there is. */
  async compare(model: StoreModel): Promise<void> {
    const store = await this.store();
    const names = [...model.topics.keys()].toSorted();
    deepStrictEqual(
      store.topics().map(({ name }) => name),
      names,
    );
    for (const [name, topic] of model.topics) {
      const { partitionCount, options } = store.describeTopic(name);
      deepStrictEqual(partitionCount, topic.partitions.length);
      deepStrictEqual({ ...options, ...topic.options }, options);
      for (const [at, records] of topic.partitions.entries()) {
        deepStrictEqual(await this.recordsOf(name, at), records, `${name} ${at}`);
      }
    }
    await this.#compareGroups(model, store);
    await this.#compareDirectories(store);
  }

  /** Of topics that were deleted nothing is left, unless it is still being removed. */
  async #compareDirectories(store: Store): Promise<void> {
    const ids = store.topics().map(({ topicId }) => topicId);
    const leaving = store.deletingTopicIds;
    const { fileSystem } = this.disk;
    const directories = await fileSystem.list(STORE_PATH);
    if (!directories.includes(TOPICS_DIRECTORY)) return; // Nobody made any.
    const names = await fileSystem.list(join(STORE_PATH, TOPICS_DIRECTORY));
    const found = names.map((name) => topicIdOf(name) ?? name);
    const left = found.filter((id) => typeof id === 'string' || !leaving.includes(id));
    deepStrictEqual(new Set(left), new Set(ids), 'directories of topics');
  }

  async #compareGroups(model: StoreModel, store: Store): Promise<void> {
    const expected: string[] = [];
    for (const [name, topic] of model.topics) {
      const handle = await this.topic(name);
      for (const [groupName, { committed, member }] of topic.groups) {
        if (committed.size === 0 && member === null) continue;
        expected.push(`${name}/${groupName}/${member === null ? 0 : 1}`);
        const { partitions } = await handle.describeGroup(groupName);
        const found = partitions.map(({ committedOffset, lag }) => ({ committedOffset, lag }));
        const wanted = topic.partitions.map((records, at) => {
          const offset = committed.get(at);
          return { committedOffset: offset ?? null, lag: records.length - (offset ?? 0) };
        });
        deepStrictEqual(found, wanted, `${name}/${groupName}`);
      }
    }
    const listed = store.groups().map((one) => `${one.topic}/${one.name}/${one.memberCount}`);
    deepStrictEqual(listed.toSorted(), expected.toSorted());
  }

  #forget(): void {
    this.#store = null;
    this.#topics.clear();
    this.#members.clear();
  }
}
