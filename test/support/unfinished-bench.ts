/** Topics on a disk in memory whose segments hold one record each, and retention that looks when it is told. */
import { present } from '../../src/core/assert.ts';
import type { RetentionResult, TopicConfig, UnfinishedCount } from '../../src/index.ts';
import type { Store } from '../../src/store/store.ts';
import type { StoreOptions } from '../../src/store/store-options.ts';
import { utf8 } from '../../src/codec/codec.ts';
import { StoreBench } from './store-fixture.ts';

/** Two of them do not fit a segment. */
const RECORD_BYTES = 3000;
const SEGMENT_BYTES = 4096;

export const AGE_MS = 60_000;
export const HOUR_MS = 3_600_000;

export class UnfinishedBench extends StoreBench {
  store: Store | null = null;

  async begin(options: StoreOptions = {}): Promise<Store> {
    this.store = await this.open(options);
    return this.store;
  }

  async again(): Promise<Store> {
    this.store = await this.reopen(this.here);
    return this.store;
  }

  get here(): Store {
    return present(this.store, 'it was begun');
  }

  /** @param config  beside small segments and an age */
  topic(name: string, config: TopicConfig = {}) {
    return this.here.topic(name, { ...SMALL, ...config, codec: utf8 });
  }

  queue(name: string, config: TopicConfig = {}) {
    return this.here.queue(name, { ...SMALL, ...config, codec: utf8, leaseMs: 600_000 });
  }

  /** To a topic that is there: each record begins a segment. */
  async append(name: string, count: number): Promise<void> {
    const topic = await this.here.topic(name, { codec: utf8 });
    for (let at = 0; at < count; at++) await topic.append({ value: 'x'.repeat(RECORD_BYTES) });
  }

  /** All that there is becomes too old. */
  grow(): void {
    this.clock.advance(AGE_MS + 1);
  }

  /** Retention looks, what it had archived is, and what may go then goes. */
  async retain(name: string, partition = 0): Promise<RetentionResult> {
    const { partitions } = await this.here.topic(name);
    const result = await partitions.at(partition).use((log) => log.retain());
    await this.here.archive.idle();
    return result;
  }

  async startOf(name: string, partition = 0): Promise<number> {
    const { partitions } = await this.here.topic(name);
    return partitions.at(partition).use((log) => Promise.resolve(log.startOffset));
  }

  async endOf(name: string, partition = 0): Promise<number> {
    const { partitions } = await this.here.topic(name);
    return partitions.at(partition).use((log) => Promise.resolve(log.endOffset));
  }

  /** `share main age skipped 3`, sorted. */
  countsOf(name: string): readonly string[] {
    return this.here.describeTopic(name).unfinishedCounts.map(countText).toSorted();
  }
}

export const SMALL: TopicConfig = { segmentBytesMax: SEGMENT_BYTES, retentionMs: AGE_MS };

export function countText({ groupKind, group, reason, outcome, count }: UnfinishedCount): string {
  return `${groupKind} ${group} ${reason} ${outcome} ${count}`;
}
