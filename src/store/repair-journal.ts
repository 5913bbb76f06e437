/**
 * `repairJournal`: makes a store with a damaged journal writable again, and says what is not known
 * any more.
 *
 * The journal's log is repaired like any other. Then all entries that are left are folded, those
 * behind the damage too: most of them stand for themselves, and one that does not fit changes
 * nothing. What topics' directories say is set against that. A snapshot run behind the gap says what
 * came of it, so the next opening begins there.
 */
import { join } from 'node:path';
import type { Clock } from '../core/clock.ts';
import type { CorruptLogDetails } from '../core/errors.ts';
import type { Random } from '../core/random.ts';
import { JOURNAL_DIRECTORY } from '../format/file-names.ts';
import { namedOffset } from '../group/group-state.ts';
import type { FileSystem } from '../io/file-system.ts';
import { nodeFileSystem } from '../io/node-file-system.ts';
import { OverlayFileSystem } from '../io/overlay-file-system.ts';
import type { Misfit } from '../journal/misfits.ts';
import { repairLog, type RepairReport } from '../log/repair-log.ts';
import { newSettings } from '../topic/topic-options.ts';
import { partitionsAdded, topicCreated, topics, type TopicState } from '../topic/topic-state.ts';
import { openLocked } from './open-store.ts';
import type { StoreParts } from './store-parts.ts';
import { resolveStoreOptions } from './store-options.ts';
import { Store } from './store.ts';
import { findTopics, type FoundTopic } from './topic-directories.ts';

export interface JournalRepairOptions {
  /** Finds out what a repair would do, and changes nothing; default false. */
  readonly dryRun?: boolean | undefined;
  /** Takes up topics and partitions that have directories and no entry; default false. */
  readonly adopt?: boolean | undefined;
  /** Ends the work with the signal's reason; what was repaired before stays repaired. */
  readonly signal?: AbortSignal | undefined;
  /** Seams for tests; default the operating system's. */
  readonly fileSystem?: FileSystem | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
}

/** A topic, or partitions of one, that no entry knows. */
export interface UnknownTopic {
  readonly directory: string;
  /** Null when the directory's name does not hold it in full. */
  readonly name: string | null;
  /** First partition that is not known: 0 when the topic is not. */
  readonly firstPartition: number;
  readonly partitionCount: number;
  readonly isAdopted: boolean;
  /** Commits of which its logs may lack records: what is not adopted now never gets them. */
  readonly owedCommits: number;
  /** Why it could not be adopted; null when it could. */
  readonly obstacle: string | null;
}

/** A partition that the journal knows. */
export interface RepairedPartition {
  readonly topic: string;
  readonly partition: number;
  /** Records below are durable; null when its files are not there, or are another log's. */
  readonly syncedOffset: number | null;
  /** What is left of the journal names offsets below: positions of groups, records of commits. */
  readonly namedOffset: number;
}

export interface JournalRepairReport {
  /** Of the journal's log. */
  readonly log: RepairReport;
  /** Entries that nobody can read any more, in order. */
  readonly lost: readonly CorruptLogDetails[];
  /** Entries that did not fit what is left, and changed nothing. */
  readonly misfitCount: number;
  readonly firstMisfit: Misfit | null;
  /** Topics whose partitions were put in the order of their directories: an entry in between is lost. */
  readonly reordered: readonly string[];
  readonly unknown: readonly UnknownTopic[];
  readonly partitions: readonly RepairedPartition[];
}

/**
 * Repairs the journal of a store. Nothing is deleted: damaged bytes go to `journal/quarantine/`.
 *
 * Takes the lock of the store (a dry run does not, and wants a store that nobody has open). It may be
 * killed at any step and run again: until its last entry the store opens read-only.
 *
 * @param path  the store's directory
 * @returns what is lost and what was found; the store opens for writing then
 * @throws NotFoundError when there is no store, or no journal; LockedError; UnsupportedVersionError;
 *   DiskFullError, IoError; CorruptLogError when the journal's log cannot be repaired, or a partition
 *   that has to take records of a commit is damaged itself: repair that first
 */
export async function repairJournal(
  path: string,
  options: JournalRepairOptions = {},
): Promise<JournalRepairReport> {
  const { dryRun = false, adopt = false, fileSystem: disk = nodeFileSystem } = options;
  const { signal, clock, random } = options;
  const fileSystem = dryRun ? new OverlayFileSystem(disk) : disk;
  const log = await repairLog(join(path, JOURNAL_DIRECTORY), { fileSystem, signal, random });
  const settings = resolveStoreOptions(path, { fileSystem, clock, random, create: false });
  const parts = await openLocked(settings, 'pass');
  try {
    const found = await findTopics(fileSystem, parts.topicHome.path);
    return { log, ...(await rebuild(parts, { found, adopt })) };
  } finally {
    await new Store(parts).close();
  }
}

interface Evidence {
  readonly found: readonly FoundTopic[];
  readonly adopt: boolean;
}

async function rebuild(
  parts: StoreParts,
  { found, adopt }: Evidence,
): Promise<Omit<JournalRepairReport, 'log'>> {
  const { journal, runs, topicHome } = parts;
  const lost = journal.lost.map(({ details }) => details);
  const reordered = lost.length === 0 ? [] : reorder(parts, found);
  const { count: misfitCount, first: firstMisfit } = journal.misfits;
  const unknown: UnknownTopic[] = [];
  for (const topic of found) {
    const one = await lookAtUnknown(parts, topic, adopt);
    if (one !== null) unknown.push(one);
  }
  const partitions = describePartitions(topicHome, found);
  // Behind everything that is lost: the next opening begins here.
  if (lost.length > 0) await runs.run();
  return { lost, misfitCount, firstMisfit, reordered, unknown, partitions };
}

/** The order of partitions is that of their entries; the directories have it when one is lost. */
function reorder({ journal, topicHome }: StoreParts, found: readonly FoundTopic[]): string[] {
  const { fold } = topicHome;
  const names: string[] = [];
  for (const { topicId, partitions } of found) {
    const state = fold.get(topics, String(topicId));
    const logIds = leadingLogIds(partitions);
    if (state === null || state.isDeleting) continue;
    const isInOrder = state.logIds.every((logId, number) => logIds[number] === logId);
    if (isInOrder || !state.logIds.every((logId) => logIds.includes(logId))) continue;
    fold.replace(
      topics,
      { id: String(topicId), from: journal.appliedOffset },
      { ...state, logIds },
    );
    names.push(state.name);
  }
  return names;
}

/** Of the partitions from 0 on, up to the first that cannot say it. */
function leadingLogIds(partitions: FoundTopic['partitions']): number[] {
  const end = partitions.indexOf(null);
  const leading = end < 0 ? partitions : partitions.slice(0, end);
  return leading.flatMap((partition) => (partition === null ? [] : [partition.logId]));
}

/** Null when the journal knows all of it, or that it is being deleted. */
async function lookAtUnknown(
  parts: StoreParts,
  topic: FoundTopic,
  adopt: boolean,
): Promise<UnknownTopic | null> {
  const { fold } = parts.topicHome;
  const state = fold.get(topics, String(topic.topicId));
  const firstPartition = state?.logIds.length ?? 0;
  const partitionCount = topic.partitions.length - firstPartition;
  if (state !== null && (state.isDeleting || partitionCount <= 0)) return null;
  const obstacle = obstacleTo(parts, topic, state);
  const isAdopted = adopt && obstacle === null;
  if (isAdopted) await adoptTopic(parts, topic, state);
  const name = state?.name ?? topic.name;
  const owedCommits = owedTo(parts, topic.partitions.slice(firstPartition));
  const what = { directory: topic.path, name, firstPartition, partitionCount };
  return { ...what, isAdopted, owedCommits, obstacle };
}

/** How many commits have records for them that they have not synced: the journal has them. */
function owedTo({ journal }: StoreParts, partitions: FoundTopic['partitions']): number {
  const owed = partitions.flatMap((partition) => {
    if (partition === null) return [];
    const { logId, syncedOffset } = partition;
    return journal.ledger.of(logId).filter(({ nextOffset }) => nextOffset > syncedOffset);
  });
  return new Set(owed.map(({ journalOffset }) => journalOffset)).size;
}

function obstacleTo(
  { topicHome: { fold } }: StoreParts,
  { name, partitions }: FoundTopic,
  state: TopicState | null,
): string | null {
  if (partitions.length === 0) return 'there is no partition in it';
  if (partitions.includes(null)) return 'the checkpoint of a partition cannot be read';
  if (state !== null) return null;
  if (name === null) return 'its name is too long for the name of its directory';
  // Also by one that was adopted just now.
  const known = fold.ids(topics).flatMap((id) => fold.get(topics, id) ?? []);
  const isTaken = known.some((topic) => topic.name === name && !topic.isDeleting);
  return isTaken ? 'there is a topic of this name' : null;
}

async function adoptTopic(
  { topicHome: { journal, clock, topicDefaults } }: StoreParts,
  { topicId, name, partitions }: FoundTopic,
  state: TopicState | null,
): Promise<void> {
  const timeMs = clock.now();
  const logIds = leadingLogIds(partitions);
  if (state !== null) {
    const added = logIds.slice(state.logIds.length);
    await journal.append(partitionsAdded, { topicId, logIds: added, timeMs }, 'sync');
  } else if (name !== null) {
    const options = newSettings({}, topicDefaults);
    await journal.append(topicCreated, { topicId, name, logIds, options, timeMs }, 'sync');
  }
}

function describePartitions(
  { fold, journal }: StoreParts['topicHome'],
  found: readonly FoundTopic[],
): RepairedPartition[] {
  return fold.ids(topics).flatMap((id) => {
    const state = fold.get(topics, id);
    if (state === null || state.isDeleting) return [];
    const topicId = Number(id);
    const files = found.find((topic) => topic.topicId === topicId)?.partitions ?? [];
    return state.logIds.map((logId, partition) => {
      const file = files[partition] ?? null;
      return {
        topic: state.name,
        partition,
        syncedOffset: file?.logId === logId ? file.syncedOffset : null,
        namedOffset: journal.tailOf(logId, namedOffset(fold, topicId, partition)).endOffset,
      };
    });
  });
}
