/** Puts a store together: its journal, folded, and all that stands on it. */
import { join } from 'node:path';
import { bytes } from '../codec/codec.ts';
import type { Clock } from '../core/clock.ts';
import { NotFoundError } from '../core/errors.ts';
import { EventHub } from '../core/event-hub.ts';
import { HealthBoard } from '../core/health-board.ts';
import { JOURNAL_DIRECTORY, TOPICS_DIRECTORY } from '../format/file-names.ts';
import { namedOffset } from '../group/group-state.ts';
import { ConsumerGroups } from '../group/groups.ts';
import type { DirectoryLock } from '../io/file-system.ts';
import { Committer } from '../journal/committer.ts';
import { EntryRegistry } from '../journal/entry-type.ts';
import { Fold } from '../journal/fold.ts';
import { ENTRY_BYTES_MAX, Journal, type WhenDamaged } from '../journal/journal.ts';
import { JOURNAL_RETENTION, SnapshotRuns } from '../journal/snapshot-run.ts';
import { ShareGroups } from '../queue/share-groups.ts';
import { Routing } from '../routing/routing.ts';
import { isQueue, leasedOffset, settledGroup, settlingOf } from '../queue/share-state.ts';
import type { CompactionBoundSettings } from '../log/compaction-options.ts';
import { readCheckpoint } from '../log/checkpoint-file.ts';
import { LogDirectory } from '../log/log-directory.ts';
import { ownHome, type LogHome } from '../log/log-home.ts';
import type { Log } from '../log/log.ts';
import { resolveLogOptions } from '../log/log-options.ts';
import { openLogIn } from '../log/open-log.ts';
import { TopicCatalog, type TopicDependents } from '../topic/catalog.ts';
import { DedupMemory } from '../topic/dedup-memory.ts';
import { LogReporter, type StoreSignals } from '../topic/log-reporter.ts';
import { OpenPartitions } from '../topic/open-partitions.ts';
import { STORE_EVENT_NAMES, type StoreEvents } from '../topic/store-events.ts';
import type { TopicHome } from '../topic/topic-home.ts';
import { Producers } from '../topic/producers.ts';
import { guardedByAll, type GuardOf } from '../topic/trim-guards.ts';
import { TransactionRegistry } from '../transaction/transaction-registry.ts';
import { settleCommits } from './settle-commits.ts';
import type { ByteCap } from '../log/byte-cap.ts';
import { StoreCompaction } from './store-compaction.ts';
import { StoreControl } from './store-control.ts';
import { missing } from './store-file.ts';
import type { StoreHome } from './store-home.ts';
import type { StoreSettings } from './store-options.ts';
import { ENTRY_TYPES, REDUCERS } from './store-state.ts';
import type { StoreParts } from './store-parts.ts';
import { UnfinishedArchive, type UnfinishedArchiveParts } from './unfinished-archive.ts';
import { UnfinishedGuard, type UnfinishedGuardParts } from './unfinished-guard.ts';
import { unfinishedOf } from './unfinished-state.ts';

export interface Assembly {
  readonly directory: LogDirectory;
  readonly settings: StoreSettings;
  readonly whenDamaged: WhenDamaged;
  /** Null when it is only read, as `home`. */
  readonly lock: DirectoryLock | null;
  readonly home: StoreHome | null;
  readonly signals: StoreSignals;
}

/** What tells of a store in this directory. */
export function signalsOf({ path }: LogDirectory, clock: Clock): StoreSignals {
  const origin = { store: path };
  const events = new EventHub<StoreEvents>({ names: STORE_EVENT_NAMES, prefix: 'varve', origin });
  return { events, health: new HealthBoard(clock) };
}

/** What a store is made of. @throws as `openStore` */
export async function assembleStore(assembly: Assembly): Promise<StoreParts> {
  const { directory, settings, lock, home, signals } = assembly;
  const { fileSystem, clock, random, freeBytesMin, durability, readOnly } = settings;
  const fold = new Fold(REDUCERS);
  const journal = new Journal({ registry: new EntryRegistry(ENTRY_TYPES), fold });
  const readingHome = ownHome(settings); // Not asked for anything by what only reads.
  const journalHome = home?.forLog(journal, 'journal') ?? readingHome;
  await loadJournal(journal, assembly, journalHome);
  const topicsHome = home?.forLog(null, 'awaited') ?? readingHome;
  const topicHome: TopicHome = {
    path: join(directory.path, TOPICS_DIRECTORY),
    clock,
    random,
    journal,
    fold,
    logHome: { ...topicsHome, readOnlyCause: journal.damage },
    signals,
    openPartitions: new OpenPartitions({ clock }),
    logOptions: { fileSystem, clock, random, freeBytesMin, readOnly, ...boundsOf(settings) },
    dedupMemory: new DedupMemory(settings.dedupBytesMax, signals.health),
    topicDefaults: { durability },
    namedOffset: (topicId, partition) => endOfNamed(fold, topicId, partition),
    topologyVersionOf: (topicId) => routing.topologyVersionOf(topicId),
    onSealed: (partition) => compaction.grew(partition),
    trimGuardOf: guardsOf(() => ({ topics, routing, producers, ...work })),
    unfinishedOf: (topicId) => unfinishedOf(fold, topicId),
    settlingOf: (topicId, partition) => settlingOf(fold, topicId, partition),
  };
  const committer = new Committer(journal);
  const transactions = new TransactionRegistry({ journal, committer, clock });
  const groups = new ConsumerGroups({ ...topicHome, transactions });
  const shareGroups = new ShareGroups({ ...topicHome, committer, transactions });
  const work = workOf({ ...topicHome, committer, groups, shareGroups, topics: () => topics });
  const producers: Producers = new Producers(topicHome, () => topics);
  const dependents = dependentsOn({ fold, groups, shareGroups, producers, routing: () => routing });
  const topics: TopicCatalog = new TopicCatalog(topicHome, dependents);
  const routing: Routing = new Routing({ ...topicHome, topics, board: signals.health });
  const compaction = compactionOf(topicHome, () => topics);
  shareGroups.attach(topics, routing);
  const runs = snapshotRuns(topicHome, topics);
  tellOfTrouble(signals, { runs, transactions, cap: home?.cap ?? null });
  return {
    path: directory.path,
    lock,
    home,
    control: new StoreControl(), // Who does not write is not asked.
    compaction,
    journal,
    runs,
    committer,
    transactions,
    topics,
    groups,
    shareGroups,
    routing,
    producers,
    ...work,
    topicHome,
  };
}

interface Guards {
  readonly topics: TopicCatalog;
  readonly routing: Routing;
  readonly unfinished: UnfinishedGuard;
  readonly producers: Producers;
}

/** Those that write something down so that records may go come behind those that only look. */
function guardsOf(guards: () => Guards): GuardOf {
  return guardedByAll([
    (topicId, partition) => guards().topics.dedupGuardOf(topicId, partition),
    (topicId, _at, logId) => guards().routing.guardOf(topicId, logId),
    (topicId, partition) => guards().unfinished.guardOf({ topicId, partition }),
    (topicId, partition, logId) => ({
      allow: (offset) => guards().producers.allowed({ topicId, partition, logId }, offset),
    }),
  ]);
}

/** What becomes of work that groups have not finished. */
function workOf(
  parts: Omit<UnfinishedArchiveParts & UnfinishedGuardParts, 'archive'>,
): Pick<StoreParts, 'archive' | 'unfinished'> {
  const archive = new UnfinishedArchive(parts);
  return { archive, unfinished: new UnfinishedGuard({ ...parts, archive }) };
}

interface Dependents {
  readonly fold: Fold;
  readonly groups: ConsumerGroups;
  readonly shareGroups: ShareGroups;
  readonly producers: Producers;
  /** Builds on topics, and is made behind them. */
  readonly routing: () => Routing;
}

function dependentsOn(on: Dependents): TopicDependents {
  const { fold, groups, shareGroups, producers, routing } = on;
  return {
    forget: async (topicId) => {
      await producers.forgetTopic(topicId);
      const members = await groups.forgetTopic(topicId);
      const readers = [...members, ...(await shareGroups.forgetTopic(topicId))];
      return { groups: readers, exchanges: (await routing().forget(topicId)).exchanges };
    },
    grown: (topicId) => routing().grown(topicId),
    isQueue: (topicId) => isQueue(fold, topicId),
    settledGroup: (topicId, except) => settledGroup(fold, topicId, except),
    whileGroupsStand: (action) => shareGroups.whileGroupsStand(action),
  };
}

/** Of any one of its logs: they are compacted one after the other. */
function boundsOf(settings: StoreSettings): CompactionBoundSettings {
  const { compactionMapBytesMax, compactionBytesPerSecondMax } = settings;
  return { compactionMapBytesMax, compactionBytesPerSecondMax };
}

function compactionOf({ clock, signals }: TopicHome, topics: () => TopicCatalog): StoreCompaction {
  return new StoreCompaction({
    clock,
    signals,
    partitions: () => topics().partitions(),
    closedError: () => topics().closedError(),
  });
}

function snapshotRuns(home: TopicHome, topics: TopicCatalog): SnapshotRuns {
  const { journal, fold, random, logHome } = home;
  const settling = () => settleCommits(journal.ledger, topics);
  const shared = { journal, fold, clock: logHome.ageClock, random, retention: JOURNAL_RETENTION };
  const runs = new SnapshotRuns({ ...shared, settleCommits: settling });
  journal.watch(() => runs.poke());
  return runs;
}

interface Troubled {
  readonly runs: SnapshotRuns;
  readonly transactions: TransactionRegistry;
  readonly cap: ByteCap | null;
}

/** Has the events of a store tell of what its parts come upon. */
function tellOfTrouble({ events }: StoreSignals, { runs, transactions, cap }: Troubled): void {
  runs.onFailed = (error) => events.emit('snapshot-failed', { error });
  transactions.onTimedOut = (timedOut) => events.emit('transaction-timed-out', timedOut);
  if (cap === null) return;
  const { bytesMax } = cap;
  cap.onRefused = () => events.emit('bytes-max-reached', { bytesMax });
}

/** Groups of both kinds name offsets. */
function endOfNamed(fold: Fold, topicId: number, partition: number): number {
  return Math.max(namedOffset(fold, topicId, partition), leasedOffset(fold, topicId, partition));
}

async function loadJournal(
  journal: Journal,
  { directory, settings, whenDamaged, signals }: Assembly,
  home: LogHome,
): Promise<void> {
  const log = await openJournalLog(directory, settings, home);
  try {
    await journal.load(log, whenDamaged);
  } catch (error) {
    await log.close().catch(() => undefined); // The first failure is the one to hear of.
    throw error;
  }
  new LogReporter({ topic: null, partition: 0 }, signals).opened(log, 0);
}

/** A new one only where there are no topics: an empty journal would hide them. */
async function openJournalLog(
  { fileSystem, path }: LogDirectory,
  { clock, random, freeBytesMin, readOnly, onCorruption }: StoreSettings,
  home: LogHome,
): Promise<Log<Uint8Array>> {
  const create = !(await fileSystem.list(path)).includes(TOPICS_DIRECTORY);
  const journalPath = join(path, JOURNAL_DIRECTORY);
  const shared = { fileSystem, clock, random, freeBytesMin, create, readOnly };
  const options = { ...shared, onCorruption, codec: bytes, recordBytesMax: ENTRY_BYTES_MAX };
  // One whose header a repair wrote again names no owner: it is known by its place and its id.
  const { checkpoint } = await readCheckpoint(new LogDirectory(fileSystem, journalPath));
  const ownHeaders = { ...home, logId: checkpoint?.logId ?? null };
  try {
    return await openLogIn(journalPath, resolveLogOptions(options), ownHeaders);
  } catch (cause) {
    if (create || !(cause instanceof NotFoundError)) throw cause;
    throw missing(journalPath, 'the store has topics and no journal');
  }
}
