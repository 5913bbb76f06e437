/** The logs of a topic's partitions as one handle uses them: with its codec, kept while they are open. */
import type { Codec } from '../codec/codec.ts';
import type { Log } from '../log/log.ts';
import type { LogUser } from './partition.ts';
import type { PartitionSet } from './partition-set.ts';

export class TopicLogs<T, Input = T> implements LogUser {
  readonly partitions: PartitionSet;
  readonly codec: Codec<T, Input>;
  /** Of the partitions that were used. */
  readonly #logs: (Log<T, Input> | undefined)[] = [];

  constructor(partitions: PartitionSet, codec: Codec<T, Input>) {
    this.partitions = partitions;
    this.codec = codec;
  }

  /** The log of a partition if it is open, and was used by this handle. */
  opened(partition: number): Log<T, Input> | null {
    const log = this.#logs[partition];
    return log === undefined || log.life.closing !== null ? null : log;
  }

  /** Runs `action` on the log of a partition, which stays open until it ends. @throws what it throws */
  async use<R>(partition: number, action: (log: Log<T, Input>) => Promise<R>): Promise<R> {
    try {
      return await this.partitions.at(partition).use((log) => action(this.own(log, partition)));
    } catch (error) {
      throw this.partitions.toldOf(error);
    }
  }

  /** The handle with the topic's codec: kept while the log is open. */
  own(log: Log<Uint8Array>, partition: number): Log<T, Input> {
    const known = this.#logs[partition];
    if (known !== undefined && known.life === log.life) return known;
    const own = log.as(this.codec, partition);
    this.#logs[partition] = own;
    this.partitions.at(partition).watch(this);
    return own;
  }

  forget(partition: number): void {
    this.#logs[partition] = undefined;
  }
}
