/** The program's commits over several partitions: each is whole or absent, to readers too. */
import { FailedError } from '../../../../src/core/errors.ts';
import { randomBelow } from '../../../../src/core/random.ts';
import type { EncodableRecord } from '../../../../src/format/batch-encoder.ts';
import { offsetsCommitted } from '../../../../src/group/group-state.ts';
import type { CommitResult } from '../../../../src/journal/committer.ts';
import { change, type Change } from '../../../../src/journal/journal.ts';
import type { Appender } from '../../../../src/log/appender.ts';
import type { Log } from '../../../../src/log/log.ts';
import type { PreparedAppend } from '../../../../src/log/prepared-records.ts';
import type { RecordRun } from '../../../../src/log/record-run.ts';
import { chance } from '../plan.ts';
import { inputFor, type SentRecord } from '../records.ts';
import type { CommitPart } from './commit-oracle.ts';
import { markGroup, type OpenTopic, type StoreSession } from './store-session.ts';

const PARTS_MAX = 4;
/** Of the commits that find room in the journal, and none in their logs: else one in a thousand does. */
const CRAMPED_SHARE = 0.05;
/** Of commits that readers are watched for: those on their way, and a few that were answered. */
const WATCHED_MAX = 12;

/** A record on its way into a log. */
interface SentPart {
  readonly topic: OpenTopic;
  readonly partition: number;
  readonly log: Log<Uint8Array>;
  readonly record: SentRecord;
  /** Null while it has no place. */
  offset: number | null;
}

interface Prepared {
  readonly parts: readonly SentPart[];
  readonly appends: readonly PreparedAppend[];
  readonly changes: readonly Change[];
  /** The group that it makes, as a mark in the state; null for none. */
  readonly mark: CommitPart | null;
}

interface Place {
  readonly topic: OpenTopic;
  readonly partition: number;
  readonly log: Log<Uint8Array>;
}

export class StoreCommits {
  readonly #session: StoreSession;
  readonly #sent = new WeakMap<EncodableRecord, SentPart>();
  readonly #followed = new WeakSet<Appender>();
  /** Newest last. */
  #watched: (readonly SentPart[])[] = [];

  constructor(session: StoreSession) {
    this.#session = session;
    let isDue = false;
    const look = (): void => {
      isDue = false;
      this.observe();
    };
    // As a reader would, who sees nothing of what is half done in one step.
    session.world.onCall = () => {
      if (!isDue) queueMicrotask(look);
      isDue = true;
    };
  }

  /** Some commits in one turn. */
  async send(): Promise<void> {
    const { random } = this.#session.world;
    const prepared: Prepared[] = [];
    for (let left = 1 + randomBelow(random, 3); left > 0; left--) {
      prepared.push(await this.#prepare());
    }
    if (chance(random, CRAMPED_SHARE))
      this.#session.cramp(/topics.*log$/, 1 + randomBelow(random, 4));
    for (const commit of prepared) this.#commit(commit);
  }

  /** Who sees one part of a commit can see all: complains about readers that cannot. */
  observe(): void {
    const { world, isOver } = this.#session;
    if (isOver) return;
    for (const parts of this.#watched) {
      if (isAllOrNothing(parts)) continue;
      // One whose writer failed shows nothing more: the next opening does.
      const living = parts.filter(({ log }) => log.stats().state !== 'failed');
      if (isAllOrNothing(living)) continue;
      const shown = living.filter((part) => isShown(part)).length;
      world.fault('A4', `readers see ${shown} of ${living.length} records of a commit`);
    }
  }

  async #prepare(): Promise<Prepared> {
    const { world, topics } = this.#session;
    const { random } = world;
    const places = [...topics.values()].flatMap((topic) =>
      topic.logs.map((log, partition): Place => ({ topic, partition, log })),
    );
    const parts: SentPart[] = [];
    const appends: PreparedAppend[] = [];
    for (let left = 1 + randomBelow(random, PARTS_MAX); left > 0 && places.length > 0; left--) {
      const [place] = places.splice(randomBelow(random, places.length), 1);
      if (place === undefined) break;
      const records = Array.from({ length: 1 + randomBelow(random, 2) }, () => world.nextRecord());
      const { topic, partition } = place;
      const prepared = await topic.handle.forCommit(records.map(inputFor), { partition });
      const own = records.map((record): SentPart => ({ ...place, record, offset: null }));
      for (const append of prepared) this.#follow(append, own);
      parts.push(...own);
      appends.push(...prepared);
    }
    const [first] = parts;
    const isMarked = first !== undefined && chance(random, 0.6);
    return { parts, appends, ...(isMarked ? this.#marking(first) : { changes: [], mark: null }) };
  }

  /** A position of a group that nobody else uses. */
  #marking({ topic, partition, log }: SentPart): Pick<Prepared, 'changes' | 'mark'> {
    const { world, store } = this.#session;
    const id = world.nextId();
    const { topicId } = store.describeTopic(topic.name);
    const place = { partition, logId: log.logId, offset: log.visibleOffset };
    const positions = [{ ...place, epoch: 0, metadata: '' }];
    const groups = [{ topicId, group: markGroup(id), positions }];
    const changes = [change(offsetsCommitted, { groups, timeMs: world.clock.now() })];
    return { changes, mark: { place: topic.name, id } };
  }

  /** Learns where its records stand once they are held in their log: at their turn, not before. */
  #follow({ appender, runs }: PreparedAppend, own: readonly SentPart[]): void {
    for (const [at, record] of recordsOf(runs).entries()) {
      const part = own[at];
      if (part !== undefined) this.#sent.set(record, part);
    }
    if (this.#followed.has(appender)) return;
    this.#followed.add(appender);
    const { commits } = appender;
    const hold = commits.hold.bind(commits);
    commits.hold = (held) => {
      const range = hold(held);
      for (const [at, record] of recordsOf(held).entries())
        this.#held(record, range.baseOffset + at);
      return range;
    };
  }

  #held(record: EncodableRecord, offset: number): void {
    const { world, isOver } = this.#session;
    const part = this.#sent.get(record);
    if (isOver || part === undefined) return;
    part.offset = offset;
    world.narrate(`hold #${part.record.id} in ${placeOf(part)} at ${offset}`);
    world.logOracle(part.topic.name, part.partition).sent(part.record, offset);
  }

  #commit({ parts, appends, changes, mark }: Prepared): void {
    const session = this.#session;
    const { world, store } = session;
    const places = parts.map((part) => ({ place: placeOf(part), id: part.record.id }));
    const status = world.commits.sent(mark === null ? places : [...places, mark]);
    const isLate = isBroken(session, parts);
    const names = places.map(({ place, id }) => `#${id} to ${place}`).join(', ');
    world.narrate(`commit ${names}${mark === null ? '' : `, mark ${mark.id}`}`);
    this.#watched = [...this.#watched.slice(1 - WATCHED_MAX), parts];
    void session.follow(
      store.committer.commit({ appends, changes }),
      (result) => {
        status.answered();
        world.tally.add('wholeCommits');
        if (isLate) world.fault('A17', `a commit of ${names} was taken after a failure`);
        this.#answered(parts, appends, result);
        this.#checkSeen(parts, mark);
      },
      (error) => {
        world.tally.add('failedCommits');
        this.#watched = this.#watched.filter((watched) => watched !== parts);
        if (error instanceof FailedError && error.details.indeterminate) return;
        status.refused();
        for (const { topic, partition, record } of parts) {
          world.logOracle(topic.name, partition).refused(record);
        }
      },
    );
  }

  #answered(
    parts: readonly SentPart[],
    appends: readonly PreparedAppend[],
    { baseOffsets }: CommitResult,
  ): void {
    const { world } = this.#session;
    const offsets = appends.flatMap(({ runs }, at) =>
      recordsOf(runs).map((_, delta) => (baseOffsets[at] ?? -1) + delta),
    );
    for (const [at, { topic, partition, record }] of parts.entries()) {
      world.logOracle(topic.name, partition).acked(record, offsets[at] ?? -1, 'sync');
    }
  }

  /** Readers see it when its caller is told, unless it waits for room, or for who waits for room. */
  #checkSeen(parts: readonly SentPart[], mark: CommitPart | null): void {
    const { world, store, topics, hasMishap } = this.#session;
    const name = markGroup(mark?.id ?? 0);
    const hasMark = store.groups().some((one) => one.topic === mark?.place && one.name === name);
    if (mark !== null && !hasMark) world.fault('A4', `an answered commit left no ${name}`);
    const logs = [...topics.values()].flatMap((topic) => topic.logs);
    if (logs.some((log) => log.stats().pendingApplyBytes > 0)) world.tally.add('waitingCommits');
    if (hasMishap || parts.every((part) => isShown(part))) return;
    world.fault('visible', 'a commit was answered, and readers cannot see it');
  }
}

function recordsOf(runs: readonly RecordRun[]): readonly EncodableRecord[] {
  return runs.flatMap(({ records }) => records);
}

function isShown({ log, offset }: SentPart): boolean {
  return offset !== null && log.visibleOffset > offset;
}

function isAllOrNothing(parts: readonly SentPart[]): boolean {
  const shown = parts.filter((part) => isShown(part)).length;
  return shown === 0 || shown === parts.length;
}

function isBroken({ store }: StoreSession, parts: readonly SentPart[]): boolean {
  if (store.stats().journal.state === 'failed') return true;
  return parts.some(({ log }) => log.stats().state === 'failed');
}

function placeOf({ topic, partition }: SentPart): string {
  return `${topic.name}/${partition}`;
}
