/** The deliveries that a transaction acks, of whatever queues and share groups. */
import { onAbort } from '../core/abort.ts';
import { jointChange, type Joint, type JointChange } from '../journal/joint-change.ts';
import { change, type Change } from '../journal/journal.ts';
import type { CommitOutcome, CommitPart, PartCollector } from '../transaction/commit-part.ts';
import type { Delivery } from './delivery.ts';
import { checkRunning } from './lease-ends.ts';
import type { Settling } from './lease.ts';
import { OffsetRuns } from './offset-runs.ts';
import type { PartitionLeases } from './partition-leases.ts';
import { leasesEnded, type EndedPart } from './share-entries.ts';

/** Of an offset among others, encoded, at most: two numbers. */
const ACK_BYTES_MAX = 18;
/** Of a partition's part of an entry, beside the name of the group. */
const PARTITION_BYTES_MAX = 64;
/** Of a UTF-16 unit in UTF-8, at most. */
const UNIT_BYTES_MAX = 3;

type Acked = Delivery<unknown>;

const NOTHING: readonly never[] = [];

/** What one transaction has acked. */
interface Acks {
  readonly deliveries: readonly Acked[];
  /** Wall time. */
  readonly timeMs: number;
}

/** Most transactions ack one delivery, and there are very many of them: what others need is made for those. */
export class AckPart implements CommitPart, Acks, Settling {
  deliveries: Acked[] = [];
  timeMs = 0;
  /** The same, once there are several. */
  #known: Set<Acked> | null = null;
  #partition: PartitionLeases | null = null;
  /** Of all deliveries, once they are of several. */
  #partitions: Set<PartitionLeases> | null = null;
  #bytesMax = 0;
  #isSecured = false;
  #hasEnded = false;
  #tellEnded: (() => void) | null = null;
  #lost: ((reason: unknown) => void) | null = null;
  #unwatch: (() => void)[] | null = null;

  /** Those that are not there yet; all or none. @throws as `Acknowledgeable` */
  add(into: PartCollector, deliveries: readonly Acked[]): void {
    const added = this.#missing(deliveries);
    for (const delivery of added) {
      into.checkStore('deliveries', delivery.keeper.topic);
      checkRunning(delivery);
    }
    const bytes = this.#bytesOf(added);
    into.reserve({ bytes, acks: added.length });
    this.#bytesMax += bytes;
    this.#addAll(added);
  }

  watch(lost: (reason: unknown) => void): void {
    this.#lost = lost;
    for (const delivery of this.deliveries) this.#watchLease(delivery, lost);
  }

  prepare(): null {
    return null;
  }

  secure(): void {
    for (const delivery of this.deliveries) checkRunning(delivery);
    for (const delivery of this.deliveries) delivery.keeper.ends.secure(delivery, this);
    this.#isSecured = true;
  }

  changes(nowMs: number): readonly never[] {
    this.timeMs = nowMs;
    return NOTHING;
  }

  joint(): readonly JointChange[] {
    return this.deliveries.length === 0
      ? NOTHING
      : [jointChange(ackedTogether, this, this.#bytesMax)];
  }

  appends(): readonly never[] {
    return NOTHING;
  }

  end({ kind }: CommitOutcome): void {
    for (const unwatch of this.#unwatch ?? []) unwatch();
    if (!this.#isSecured) return;
    for (const delivery of this.deliveries) {
      const { ends } = delivery.keeper;
      if (kind === 'committed') ends.committed(delivery);
      else ends.notCommitted(delivery);
    }
    this.#hasEnded = true;
    this.#tellEnded?.();
  }

  /** Resolves when the commit has ended, whatever came of it. */
  get ended(): Promise<void> {
    if (this.#hasEnded) return Promise.resolve();
    return new Promise((resolve) => {
      const others = this.#tellEnded;
      this.#tellEnded = () => {
        others?.();
        resolve();
      };
    });
  }

  /** Those that are not there yet, each once. */
  #missing(deliveries: readonly Acked[]): readonly Acked[] {
    if (this.deliveries.length === 0 && deliveries.length === 1) return deliveries;
    const known = (this.#known ??= new Set(this.deliveries));
    return [...new Set(deliveries)].filter((each) => !known.has(each));
  }

  #addAll(added: readonly Acked[]): void {
    // A list that grows takes room for 17 at once.
    if (this.deliveries.length === 0) this.deliveries = [...added];
    else for (const delivery of added) this.deliveries.push(delivery);
    for (const delivery of added) {
      this.#known?.add(delivery);
      this.#addPartition(delivery.partitionLeases);
      if (this.#lost !== null) this.#watchLease(delivery, this.#lost);
    }
  }

  #addPartition(partition: PartitionLeases): void {
    this.#partition ??= partition;
    if (partition === this.#partition) return;
    this.#partitions ??= new Set([this.#partition]);
    this.#partitions.add(partition);
  }

  /** At most. */
  #bytesOf(added: readonly Acked[]): number {
    let bytes = added.length * ACK_BYTES_MAX;
    const isOne = added.length === 1;
    const partitions = added.map((each) => each.partitionLeases);
    for (const partition of isOne ? partitions : new Set(partitions)) {
      if (partition === this.#partition || this.#partitions?.has(partition) === true) continue;
      bytes += PARTITION_BYTES_MAX + UNIT_BYTES_MAX * partition.name.group.length;
    }
    return bytes;
  }

  #watchLease({ signal }: Acked, lost: (reason: unknown) => void): void {
    this.#unwatch ??= [];
    this.#unwatch.push(onAbort(signal, () => lost(signal.reason)));
  }
}

/** Of all groups: that of a topic which is deleted meanwhile has nothing left to be changed. */
const ackedTogether: Joint<Acks> = {
  join(shares): Change {
    const partitions = new Map<PartitionLeases, OffsetRuns>();
    let lastMs = 0;
    for (const { deliveries, timeMs } of shares) {
      lastMs = Math.max(lastMs, timeMs);
      for (const { partitionLeases, offset } of deliveries) {
        let acked = partitions.get(partitionLeases);
        if (acked === undefined) {
          acked = new OffsetRuns();
          partitions.set(partitionLeases, acked);
        }
        acked.add(offset);
      }
    }
    const parts: EndedPart[] = [];
    for (const [{ name }, offsets] of partitions) {
      const { topicId, group, partition } = name;
      const acked = offsets.take();
      parts.push({ topicId, group, partition, acked, undelivered: [], expired: [], returned: [] });
    }
    return change(leasesEnded, { parts, timeMs: lastMs });
  },
};
