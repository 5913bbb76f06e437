/** What all parts of one simulated seed of a store share. */
import { ManualClock } from '../../../../src/core/clock.ts';
import { SeededRandom } from '../../../../src/core/random.ts';
import type { Compaction } from '../../../../src/log/compaction-options.ts';
import type { DurabilityLevel } from '../../../../src/log/log-options.ts';
import { openStore } from '../../../../src/store/open-store.ts';
import type { Store } from '../../../../src/store/store.ts';
import type { FaultyFileSystem } from '../../faulty-file-system.ts';
import { STORE_PATH } from '../../store-fixture.ts';
import { Machine } from '../machine.ts';
import type { FoundLog } from '../found-log.ts';
import { Oracle } from '../oracle.ts';
import { chance, drawPlan, pick } from '../plan.ts';
import { makeRecord, withSharedKey, type SentRecord } from '../records.ts';
import type { Tally } from '../tally.ts';
import { CommitOracle, type CommitPart } from './commit-oracle.ts';
import { CompactedOracle } from './compacted-oracle.ts';
import { compactionOf, KEYED_TOPICS } from './keyed-topics.ts';
import { QueueOracles } from './queues/queue-oracles.ts';
import { QUEUE_ID, QUEUE_TOPIC, SHARE_GROUP } from './queues/queue-topics.ts';
import type { Bounds } from './queues/share-ledger.ts';
import type { SideContext } from './queues/side-topics.ts';
import { StateOracle } from './state-oracle.ts';

/** What the journal knows of a topic, as far as the program changes it. */
export interface KnownTopic {
  readonly partitionCount: number;
  readonly retentionBytes: number | null;
  readonly compaction: Compaction;
}

type KnownOptions = Pick<KnownTopic, 'retentionBytes' | 'compaction'>;

/** What of the options of a topic is known. */
export function knownOptions({ retentionBytes, compaction }: KnownOptions): KnownOptions {
  return { retentionBytes, compaction };
}

export type Topics = ReadonlyMap<string, KnownTopic>;
/** By partition: offset and metadata, as text. */
export type Positions = ReadonlyMap<number, string>;

/** Of records in seeds whose topics are compacted. */
const KEYS = 7;
const IDLE = { stepMs: 10, stepsMax: 2000, stepsWithoutRoom: 1000 };
const QUEUE_DURABILITIES = ['sync', 'sync', 'sync', 'os', 'os', 'interval'] as const;

export function showMap(state: ReadonlyMap<unknown, unknown>): string {
  return JSON.stringify(
    [...state].toSorted(([one], [two]) => (String(one) < String(two) ? -1 : 1)),
  );
}

/** What is counted is named where it happens. */
export type StoreTally = Tally<string>;

export class StoreWorld extends Machine<string> {
  readonly topics: StateOracle<Topics>;
  /** Of commits over several partitions. */
  readonly commits: CommitOracle;
  /** Of the state of a store that was closed; null when it was not, or was opened since. */
  closedHash: string | null = null;
  /** Of share groups. */
  readonly queues: QueueOracles;
  /** Whether the program uses queues. */
  readonly hasQueues: boolean;
  /** At which what consumers of the queue settle is journaled. */
  readonly durability: DurabilityLevel;
  /** When what is compared now began to be read. */
  #readSinceMs = 0;
  #wallMaxMs = 0;
  readonly #logs = new Map<string, Oracle>();
  readonly #groups = new Map<string, StateOracle<Positions>>();

  constructor(seed: number, tally: StoreTally, narrate: (what: string) => void) {
    super({ seed, plan: drawPlan(seed ^ 0x5709e), tally, narrate }, IDLE);
    const fault = this.fault;
    this.hasQueues = chance(this.random, 0.7);
    this.durability = pick(this.random, QUEUE_DURABILITIES);
    const idAt = (topic: string, partition: number, offset: number) =>
      this.logOracle(topic, partition).expected(offset)?.id ?? null;
    this.queues = new QueueOracles({ fault, show: showMap, idAt });
    this.commits = new CommitOracle(fault);
    this.topics = new StateOracle<Topics>({
      first: new Map(),
      show: showMap,
      isOrdered: false, // One that failed before its entry may be followed by one that did not.
      fault: (promise, what) => fault(promise, `topics: ${what}`),
    });
  }

  /** What one partition owes its users. */
  logOracle(topic: string, partition: number): Oracle {
    const id = `${topic}/${partition}`;
    const known = this.#logs.get(id);
    if (known !== undefined) return known;
    const oracle = this.isKeyed(topic) ? this.#keyedOracle(topic, partition) : new Oracle();
    if (topic === QUEUE_TOPIC) oracle.maySettle = (offset) => this.#maySettle(partition, offset);
    this.#logs.set(id, oracle);
    return oracle;
  }

  /** What a group owes its members. */
  groupOracle(topic: string): StateOracle<Positions> {
    const known = this.#groups.get(topic);
    if (known !== undefined) return known;
    const oracle = new StateOracle<Positions>({
      first: new Map(),
      show: showMap,
      isOrdered: true,
      fault: (promise, what) => this.fault(promise, `group of ${topic}: ${what}`),
    });
    this.#groups.set(topic, oracle);
    return oracle;
  }

  /** What partitions found, too. */
  override complaints(): readonly string[] {
    const own = [...this.#logs].flatMap(([id, { violations }]) =>
      violations.map((what) => `${id}: ${what}`),
    );
    return [...own, ...super.complaints()];
  }

  /** Forgets a topic that was deleted: one of its name is another one. */
  forgetTopic(topic: string): void {
    const { formerSettled } = this.queues;
    for (const logs of [this.#logs, formerSettled]) {
      for (const id of logs.keys()) if (id.startsWith(`${topic}/`)) logs.delete(id);
    }
  }

  /** Whether what is written to a topic, or settled there, is synced when it is answered. */
  isSynced(topic: string): boolean {
    return topic !== QUEUE_TOPIC || this.durability === 'sync';
  }

  /** What is settled in the queue may be gone: complains later if anything else is. */
  allowTrims(): void {
    for (const [id, oracle] of this.#logs) {
      const [topic, partition] = id.split('/');
      if (topic !== QUEUE_TOPIC) continue;
      let offset = oracle.startMax;
      while (offset < oracle.end && this.#maySettle(Number(partition), offset)) offset++;
      oracle.startMax = offset;
    }
  }

  /** Whether the queue may have settled a record: nobody wants it then. */
  #maySettle(partition: number, offset: number): boolean {
    const { ledgers, formerSettled } = this.queues;
    const ledger = ledgers.get(QUEUE_ID);
    if (ledger !== undefined && !ledger.fate(partition, offset).is('there')) return true;
    return formerSettled.get(`${QUEUE_TOPIC}/${partition}`)?.has(offset) ?? false;
  }

  /** What is needed to check the topics of the engine's own. */
  sideContext(queueEnds: Bounds, isDrained: boolean): SideContext {
    const logOracle = (topic: string, partition: number) => this.logOracle(topic, partition);
    return { oracles: this.queues, logOracle, queueEnds, isDrained };
  }

  /** Whether a topic may be compacted: keys of it come again soon. */
  isKeyed(topic: string): boolean {
    return this.plan.compacts && KEYED_TOPICS.has(topic);
  }

  /** Whether a record of a commit need not be there any more, though its commit is. */
  mayBeGone({ place, id }: CommitPart, found: FoundLog): boolean {
    const oracle = this.#logs.get(place);
    return oracle instanceof CompactedOracle && oracle.mayBeGone(id, found);
  }

  noteTime(): void {
    this.#wallMaxMs = Math.max(this.#wallMaxMs, this.clock.now());
  }

  /** The wall clock was set back. */
  clockWentBack(): void {
    for (const ledger of this.queues.ledgers.values()) ledger.forgetDelays();
    for (const oracle of this.#logs.values()) {
      if (oracle instanceof CompactedOracle) oracle.clockWentBack();
    }
  }

  /** What is read from now on is compared with what it must be. */
  beginReading(): void {
    this.#readSinceMs = this.clock.now();
  }

  #keyedOracle(topic: string, partition: number): Oracle {
    return new CompactedOracle({
      tombstoneRetentionMs: compactionOf(topic).tombstoneRetentionMs,
      readSinceMs: () => this.#readSinceMs,
      wallMaxMs: () => {
        this.noteTime();
        return this.#wallMaxMs;
      },
      onSuperseded: (offset) => {
        const range = { firstOffset: offset, nextOffset: offset + 1 };
        this.queues.ledgers.get(`${topic}/${SHARE_GROUP}`)?.lost(partition, range);
      },
    });
  }

  nextRecord(): SentRecord {
    const made = makeRecord(this.nextId(), this.clock.now(), this.plan.records);
    const record = this.plan.compacts ? withSharedKey(made, KEYS) : made;
    this.queues.sent.set(record.id, record);
    return record;
  }

  nextTag(): string {
    return `#${this.nextId()}`;
  }

  open(): Promise<Store> {
    const { fileSystem, clock } = this;
    this.beginReading();
    return openStore(STORE_PATH, { fileSystem, clock, random: this.engineRandom });
  }

  /** Opens a copy of the disk, for looking at it. */
  openCopy(fileSystem: FaultyFileSystem): Promise<Store> {
    const clock = new ManualClock(this.clock.now());
    return openStore(STORE_PATH, { fileSystem, clock, random: new SeededRandom(this.seed) });
  }
}
