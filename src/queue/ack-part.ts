/** The deliveries that a transaction acks, of whatever queues and share groups. */
import { onAbort } from '../core/abort.ts';
import { change, type Change } from '../journal/journal.ts';
import type { CommitOutcome, CommitPart, PartCollector } from '../transaction/commit-part.ts';
import type { Delivery } from './delivery.ts';
import { checkRunning, type LeaseEnds } from './lease-ends.ts';
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

export class AckPart implements CommitPart {
  readonly #deliveries = new Set<Acked>();
  /** The same, by what ends the leases of a group. */
  readonly #groups = new Map<LeaseEnds, Acked[]>();
  readonly #partitions = new Set<PartitionLeases>();
  #isSecured = false;
  #tellEnded: () => void = () => undefined;
  #lost: ((reason: unknown) => void) | null = null;
  readonly #unwatch: (() => void)[] = [];

  /** Those that are not there yet; all or none. @throws as `Acknowledgeable` */
  add(into: PartCollector, deliveries: readonly Acked[]): void {
    const unique = deliveries.length === 1 ? deliveries : [...new Set(deliveries)];
    const added = unique.filter((each) => !this.#deliveries.has(each));
    for (const delivery of added) {
      into.checkStore('deliveries', delivery.keeper.topic);
      checkRunning(delivery);
    }
    into.reserve({ bytes: this.#bytesOf(added), acks: added.length });
    for (const delivery of added) this.#add(delivery);
  }

  watch(lost: (reason: unknown) => void): void {
    this.#lost = lost;
    for (const delivery of this.#deliveries) this.#watchLease(delivery, lost);
  }

  prepare(): null {
    return null;
  }

  secure(): void {
    for (const delivery of this.#deliveries) checkRunning(delivery);
    const ended = new Promise<void>((resolve) => {
      this.#tellEnded = resolve;
    });
    for (const [ends, deliveries] of this.#groups) ends.secure(deliveries, ended);
    this.#isSecured = true;
  }

  /** One for each group: that of a topic which is deleted meanwhile is left out by itself. */
  changes(nowMs: number): readonly Change[] {
    const changes: Change[] = [];
    for (const deliveries of this.#groups.values()) {
      changes.push(change(leasesEnded, { parts: endedParts(deliveries), timeMs: nowMs }));
    }
    return changes;
  }

  appends(): readonly never[] {
    return [];
  }

  end({ kind }: CommitOutcome): void {
    for (const unwatch of this.#unwatch) unwatch();
    if (!this.#isSecured) return;
    for (const [ends, deliveries] of this.#groups) {
      if (kind === 'committed') ends.committed(deliveries);
      else ends.notCommitted(deliveries);
    }
    this.#tellEnded();
  }

  /** At most. */
  #bytesOf(added: readonly Acked[]): number {
    let bytes = added.length * ACK_BYTES_MAX;
    for (const partition of new Set(added.map((each) => each.partitionLeases))) {
      if (this.#partitions.has(partition)) continue;
      bytes += PARTITION_BYTES_MAX + UNIT_BYTES_MAX * partition.name.group.length;
    }
    return bytes;
  }

  #add(delivery: Acked): void {
    const { ends } = delivery.keeper;
    this.#deliveries.add(delivery);
    this.#partitions.add(delivery.partitionLeases);
    const group = this.#groups.get(ends);
    if (group === undefined) this.#groups.set(ends, [delivery]);
    else group.push(delivery);
    if (this.#lost !== null) this.#watchLease(delivery, this.#lost);
  }

  #watchLease({ signal }: Acked, lost: (reason: unknown) => void): void {
    this.#unwatch.push(onAbort(signal, () => lost(signal.reason)));
  }
}

/** Of one group. */
function endedParts(deliveries: readonly Acked[]): readonly EndedPart[] {
  const partitions = new Map<PartitionLeases, OffsetRuns>();
  for (const { partitionLeases, offset } of deliveries) {
    let acked = partitions.get(partitionLeases);
    if (acked === undefined) {
      acked = new OffsetRuns();
      partitions.set(partitionLeases, acked);
    }
    acked.add(offset);
  }
  const parts: EndedPart[] = [];
  for (const [{ name }, offsets] of partitions) {
    const { topicId, group, partition } = name;
    const acked = offsets.take();
    parts.push({ topicId, group, partition, acked, undelivered: [], expired: [], returned: [] });
  }
  return parts;
}
