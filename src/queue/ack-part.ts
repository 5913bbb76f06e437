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

/** What is acked of one group. */
type AckedGroup = Map<PartitionLeases, Acked[]>;

export class AckPart implements CommitPart {
  readonly #deliveries = new Set<Acked>();
  /** The same, by what ends the leases of a group. */
  readonly #groups = new Map<LeaseEnds, AckedGroup>();
  #isSecured = false;
  #tellEnded: () => void = () => undefined;
  #lost: ((reason: unknown) => void) | null = null;
  readonly #unwatch: (() => void)[] = [];

  /** Those that are not there yet; all or none. @throws as `Acknowledgeable` */
  add(into: PartCollector, deliveries: readonly Acked[]): void {
    const added = new Set<Acked>();
    const partitions = new Set<PartitionLeases>();
    let bytes = 0;
    for (const delivery of deliveries) {
      if (this.#deliveries.has(delivery)) continue;
      into.checkStore('deliveries', delivery.keeper.topic);
      checkRunning(delivery);
      added.add(delivery);
      partitions.add(delivery.partitionLeases);
      bytes += ACK_BYTES_MAX;
    }
    // Also of those that are known: nothing beside a limit of 8 MiB.
    for (const { name } of partitions) {
      bytes += PARTITION_BYTES_MAX + UNIT_BYTES_MAX * name.group.length;
    }
    into.reserve({ bytes, acks: added.size });
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
    for (const [ends, group] of this.#groups) {
      for (const deliveries of group.values()) ends.secure(deliveries, ended);
    }
    this.#isSecured = true;
  }

  /** One for each group: that of a topic which is deleted meanwhile is left out by itself. */
  changes(nowMs: number): readonly Change[] {
    return Array.from(this.#groups.values(), (group) => {
      return change(leasesEnded, { parts: Array.from(group, endedPart), timeMs: nowMs });
    });
  }

  appends(): readonly never[] {
    return [];
  }

  end({ kind }: CommitOutcome): void {
    for (const unwatch of this.#unwatch) unwatch();
    if (!this.#isSecured) return;
    for (const [ends, group] of this.#groups) {
      const all = [...group.values()].flat();
      if (kind === 'committed') ends.committed(all);
      else ends.notCommitted(all);
    }
    this.#tellEnded();
  }

  #add(delivery: Acked): void {
    const { keeper, partitionLeases } = delivery;
    this.#deliveries.add(delivery);
    const group: AckedGroup = this.#groups.get(keeper.ends) ?? new Map();
    this.#groups.set(keeper.ends, group);
    const own = group.get(partitionLeases);
    if (own === undefined) group.set(partitionLeases, [delivery]);
    else own.push(delivery);
    if (this.#lost !== null) this.#watchLease(delivery, this.#lost);
  }

  #watchLease({ signal }: Acked, lost: (reason: unknown) => void): void {
    this.#unwatch.push(onAbort(signal, () => lost(signal.reason)));
  }
}

function endedPart([{ name }, deliveries]: readonly [
  PartitionLeases,
  readonly Acked[],
]): EndedPart {
  const acked = new OffsetRuns();
  for (const { offset } of deliveries) acked.add(offset);
  // The name last: in Node 20 each object with names behind a spread has a hidden class of its own.
  return { acked: acked.take(), undelivered: [], expired: [], returned: [], ...name };
}
