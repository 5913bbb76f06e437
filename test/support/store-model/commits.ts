/** Commits over several topics in a model test: what one does in both worlds. */
import { ok } from 'node:assert/strict';

import { present } from '../../../src/core/assert.ts';
import { offsetsCommitted } from '../../../src/group/group-state.ts';
import type { Commit } from '../../../src/journal/committer.ts';
import { change, type Change } from '../../../src/journal/journal.ts';
import type { PreparedAppend } from '../../../src/log/prepared-records.ts';
import { count } from './command.ts';
import { groupOf, type ModelRecord, type ModelTopic, type StoreModel } from './model.ts';
import type { RealStore } from './real-store.ts';

/** What is drawn of a commit; which topics there are, shows when it is its turn. */
export interface DrawnCommit {
  readonly parts: readonly {
    readonly topic: number;
    readonly partition: number;
    readonly records: readonly ModelRecord[];
  }[];
  /** A position that goes with it, in the partition of its first part. */
  readonly mark: { readonly group: string; readonly share: number } | null;
}

/** Records of a commit for one partition. */
export interface CommitPart {
  readonly name: string;
  readonly topic: ModelTopic;
  readonly partition: number;
  readonly records: ModelRecord[];
}

export interface Mark {
  readonly part: CommitPart;
  readonly group: string;
  readonly offset: number;
}

export interface ModelCommit {
  /** One per partition, in the order of `Commit.appends`. */
  readonly parts: readonly CommitPart[];
  readonly mark: Mark | null;
}

export function recordsIn({ topic, partition }: CommitPart): ModelRecord[] {
  return present(topic.partitions[partition] ?? null, 'a partition');
}

/** Where the parts of a commit go among the topics that are there now: at least one. */
export function placeCommit({ topics, nextTag }: StoreModel, drawn: DrawnCommit): ModelCommit {
  const names = [...topics.keys()];
  const parts = new Map<string, CommitPart>();
  for (const { topic: at, partition: number, records } of drawn.parts) {
    const name = present(names[at % names.length] ?? null, 'there are topics');
    const topic = present(topics.get(name) ?? null, 'it is there');
    const partition = number % topic.partitions.length;
    const id = `${partition} of ${name}`;
    const part = parts.get(id) ?? { name, topic, partition, records: [] };
    parts.set(id, part);
    // Told apart from all others, also where something went wrong.
    part.records.push(...records.map(({ key, value }) => ({ key, value: nextTag() + value })));
  }
  return { parts: [...parts.values()], mark: markOf([...parts.values()], drawn.mark) };
}

/** None where a member reads: it goes on where it stands, whatever others commit. */
function markOf([part]: readonly CommitPart[], drawn: DrawnCommit['mark']): Mark | null {
  if (part === undefined || drawn === null) return null;
  const { group } = drawn;
  if (groupOf(part.topic, group).member !== null) return null;
  // Up to the end of its own records, which nobody sees before the commit is whole.
  const endOffset = recordsIn(part).length + part.records.length;
  return { part, group, offset: Math.floor((endOffset + 1) * drawn.share) };
}

export async function prepareCommit(
  real: RealStore,
  { parts, mark }: ModelCommit,
): Promise<Required<Pick<Commit, 'changes' | 'appends'>>> {
  const appends: PreparedAppend[] = [];
  for (const { name, partition, records } of parts) {
    const topic = await real.topic(name);
    appends.push(...(await topic.forCommit(records, { partition })));
  }
  return { appends, changes: mark === null ? [] : [await changeOf(real, mark)] };
}

async function changeOf(real: RealStore, { part, group, offset }: Mark): Promise<Change> {
  const { topicId } = (await real.store()).describeTopic(part.name);
  const log = await real.logOf(part.name, part.partition);
  const place = { partition: part.partition, logId: log.logId };
  const positions = [{ ...place, offset, epoch: 0, metadata: '' }];
  return change(offsetsCommitted, { groups: [{ topicId, group, positions }], timeMs: 1 });
}

/** The commit has happened. */
export function applyCommit(model: StoreModel, { parts, mark }: ModelCommit): void {
  model.lastCommit = parts.flatMap((part) => {
    const there = recordsIn(part);
    const { name, topic, partition, records } = part;
    const places = records.map((record, at) => ({
      name,
      topic,
      partition,
      offset: there.length + at,
      record,
    }));
    there.push(...records);
    count('committed records', records.length);
    return places;
  });
  if (mark === null) return;
  groupOf(mark.part.topic, mark.group).committed.set(mark.part.partition, mark.offset);
  count('marks');
}

/**
 * Reads on in every partition of a commit while it is on its way.
 *
 * @returns to be called when it was answered: whoever saw a part of it could see all
 */
export async function watchParts(
  real: RealStore,
  { parts }: ModelCommit,
): Promise<() => Promise<void>> {
  const watched = await Promise.all(
    parts.map(async (part) => {
      const { name, partition } = part;
      const log = await real.logOf(name, partition);
      return { log, part, topic: await real.topic(name), base: recordsIn(part).length };
    }),
  );
  const readers = watched.map(({ topic, part: { partition }, base: from }) =>
    topic.batches({ partitions: partition, from, follow: true }),
  );
  const seen = readers.map(async (reader) => {
    await reader.next();
    for (const { log, base, part } of watched) {
      ok(log.visibleOffset > base, `not seen yet in ${part.name}/${part.partition}`);
    }
    count('watched');
  });
  return async () => {
    await Promise.all(seen);
    for (const reader of readers) await reader.return();
  };
}
