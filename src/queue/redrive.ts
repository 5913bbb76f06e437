/**
 * Redrive: dead letters go back to where they came from, dead records that were kept are ready again,
 * and either may go elsewhere instead, changed on the way.
 *
 * There is nothing to resume: what was moved is not there any more, so the next run goes on by itself.
 */
import { Bell } from '../core/bell.ts';
import type { Clock } from '../core/clock.ts';
import { ConflictError, isStoreError, NotFoundError } from '../core/errors.ts';
import { plainOptions } from '../core/options.ts';
import type { Codec } from '../codec/codec.ts';
import { diedAt } from '../format/cause-headers.ts';
import { encodeValue, type RecordInput } from '../log/record-input.ts';
import type { PartitionSet } from '../topic/partition-set.ts';
import { Topic } from '../topic/topic.ts';
import { browse, browseOffsets, type BrowsedRecord, type BrowseSource } from './browse.ts';
import { fitting, redrivenOf, type Death } from './dead-letter.ts';
import { moveRecords, type Move, type MoveCopy, type MoverParts } from './redrive-moves.ts';
import {
  planRedrive,
  REDRIVE_SKIPS,
  type RedriveEdit,
  type RedriveOptions,
  type RedrivePlan,
  type RedriveProgress,
  type RedriveReport,
  type RedriveSkip,
} from './redrive-options.ts';
import { isTrimmed } from './share-feed.ts';

export interface RedriveParts<T, Input> extends MoverParts {
  readonly source: BrowseSource<T>;
  /** Name of the group. */
  readonly group: string;
  readonly clock: Clock;
  readonly codec: Codec<T, Input>;
  /** Ends it with its reason. */
  readonly closing: AbortSignal;
  /** @throws NotFoundError */
  readonly openTopic: (name: string) => Promise<Topic<Uint8Array>>;
}

/** Records that share a commit. */
const GROUP_RECORDS = 100;
const GROUP_BYTES = 4 * 1024 * 1024;
/** With a rate, so many groups a second, if they can be as small. */
const GROUPS_PER_SECOND = 10;

const EDIT_KEYS: ReadonlySet<string> = new Set<keyof RecordInput<never>>([
  'value',
  'key',
  'headers',
  'createTimeMs',
]);

/**
 * Moves records, or says what it would move.
 *
 * @throws TypeError, RangeError; ConflictError into itself, NotFoundError when there is no destination:
 *   nothing was moved; as `browse`, as `Committer.commit`, and what `filter` or `edit` throws: what was
 *   moved before stays moved
 */
export async function redrive<T, Input>(
  parts: RedriveParts<T, Input>,
  options: RedriveOptions<T, Input>,
): Promise<RedriveReport> {
  const { topic } = parts.source;
  topic.checkThere();
  const plan = planRedrive(options, topic.count);
  if (plan.to === topic.name) throw intoItself(topic.name);
  const run = new RedriveRun(parts, plan);
  if (plan.to !== null) await run.topicOf(plan.to);
  return run.run();
}

class RedriveRun<T, Input> {
  readonly #parts: RedriveParts<T, Input>;
  readonly #plan: RedrivePlan<T, Input>;
  readonly #topics = new Map<string, Promise<Topic<Uint8Array>>>();
  readonly #own: Topic<Uint8Array>;
  readonly #skips: Record<RedriveSkip, number>;
  readonly #destinations = new Map<string, number>();
  #examinedCount = 0;
  #movedCount = 0;
  #goneOrigin: string | null = null;
  #next: RedriveReport['next'] = null;
  /** Those that go together next, of one partition. */
  #moves: Move[] = [];
  #movesBytes = 0;
  readonly #movesMax: number;
  /** Aborted when it shall end, for whatever reason. */
  readonly #ending: AbortSignal;
  /** When the next group may go, monotonic. */
  #nextMs = 0;

  constructor(parts: RedriveParts<T, Input>, plan: RedrivePlan<T, Input>) {
    this.#parts = parts;
    this.#plan = plan;
    const { topic: partitions } = parts.source;
    this.#own = new Topic({ partitions, codec: undefined, partitioner: undefined });
    this.#skips = noSkips();
    const { closing } = parts;
    this.#ending = plan.signal === undefined ? closing : AbortSignal.any([plan.signal, closing]);
    const paced = Math.floor((plan.ratePerSecond ?? Infinity) / GROUPS_PER_SECOND);
    this.#movesMax = Math.max(1, Math.min(GROUP_RECORDS, paced));
  }

  async run(): Promise<RedriveReport> {
    const { limit, signal, refs } = this.#plan;
    for await (const found of this.#found()) {
      this.#parts.closing.throwIfAborted();
      if (signal?.aborted === true) break;
      const before = this.#moves[0];
      if (before !== undefined && before.partition !== found.partition) await this.#flush();
      await this.#examine(found);
      const isFull = this.#moves.length >= this.#movesMax || this.#movesBytes >= GROUP_BYTES;
      if (isFull || this.#movedCount + this.#moves.length >= limit) await this.#flush();
      if (this.#movedCount < limit) continue;
      const { partition, offset } = found;
      if (refs === null) this.#next = { partition, offset: offset + 1 };
      break;
    }
    await this.#flush();
    this.#plan.onProgress(this.#progress);
    if (this.#movedCount === 0) this.#throwUnmovable();
    return this.#report();
  }

  /** Kept for the run. @throws NotFoundError */
  topicOf(name: string): Promise<Topic<Uint8Array>> {
    const known = this.#topics.get(name) ?? this.#parts.openTopic(name);
    this.#topics.set(name, known);
    return known;
  }

  async *#found(): AsyncGenerator<BrowsedRecord<T>, void, void> {
    const { source } = this.#parts;
    const { refs, from } = this.#plan;
    if (refs === null) {
      yield* browse(source, {}, from);
      return;
    }
    for (const [partition, offsets] of refs) {
      const others = new Set(offsets);
      for await (const found of browseOffsets(source, partition, offsets)) {
        others.delete(found.offset);
        yield found;
      }
      for (const offset of others) {
        this.#examinedCount++;
        this.#skips[(await hasRecord(source.topic, partition, offset)) ? 'settled' : 'missing']++;
      }
    }
  }

  async #examine(found: BrowsedRecord<T>): Promise<void> {
    this.#examinedCount++;
    const skip = await this.#skipOf(found);
    if (skip !== null) {
      this.#skips[skip]++;
      return;
    }
    const { partition, offset, state } = found;
    const copy = await this.#copyOf(found);
    if (copy === 'too-large') {
      this.#skips[copy]++;
      return;
    }
    this.#moves.push({ partition, offset, isDead: state === 'dead', copy });
    this.#movesBytes += copy?.record.value?.length ?? 0;
  }

  /** Why it stays where it is. */
  async #skipOf(found: BrowsedRecord<T>): Promise<RedriveSkip | null> {
    const { to, refs, filter } = this.#plan;
    const isDead = found.state === 'dead';
    const origin = isDead ? null : diedAt(found.record.headers);
    const isMeant = to !== null && refs !== null;
    if (!isDead && origin === null && !isMeant) return 'not-dead';
    if (found.state === 'leased') return 'leased';
    if (filter !== null && !(await filter(found))) return 'filtered';
    if (to !== null || origin === null) return null;
    return this.#originSkip(origin.topic);
  }

  async #originSkip(name: string): Promise<RedriveSkip | null> {
    if (name === this.#own.name) return 'origin-is-here';
    try {
      await this.topicOf(name);
      return null;
    } catch (error) {
      if (!isStoreError(error, 'ERR_VARVE_NOT_FOUND')) throw error;
      this.#goneOrigin ??= name;
      return 'origin-gone';
    }
  }

  /** Null when it need not move: it is dead here, and to be tried here again, as it is. */
  async #copyOf(found: BrowsedRecord<T>): Promise<MoveCopy | null | 'too-large'> {
    const { to, edit } = this.#plan;
    const { record, partition, offset, state } = found;
    const isDead = state === 'dead';
    const changes = edit === null ? null : checkEdit(await edit(found));
    if (isDead && to === null && (changes === null || Object.keys(changes).length === 0))
      return null;
    const name = to ?? (isDead ? null : diedAt(record.headers)?.topic);
    const topic = name == null ? this.#own : await this.topicOf(name);
    const driven = fitting(() =>
      redrivenOf(record, {
        from: { topic: this.#own.name, partition, offset },
        to: topic.name,
        death: isDead ? this.#deathOf(found) : null,
        headers: changes?.headers,
      }),
    );
    if (driven === null) return 'too-large';
    return { topic, record: changes === null ? driven : this.#edited(driven, changes) };
  }

  /** A record that died here, and was kept, had no dead letter to tell of it. */
  #deathOf({ partition, offset }: BrowsedRecord<T>): Death | null {
    const { source, group } = this.#parts;
    const dead = source.state()?.partitions.get(partition)?.dead.get(offset) ?? null;
    if (dead === null) return null; // Meanwhile it is not: then it is not moved either.
    return { topic: source.topic.name, group, partition, offset, ...dead };
  }

  #edited(
    driven: RecordInput<Uint8Array>,
    { value, key, createTimeMs }: RedriveEdit<Input>,
  ): RecordInput<Uint8Array> {
    return {
      value: this.#encoded(value, driven),
      key: changed(key, driven.key),
      headers: driven.headers,
      createTimeMs: changed(createTimeMs, driven.createTimeMs),
    };
  }

  /** @param value  null = it has none any more; undefined = as before */
  #encoded(value: Input | null | undefined, driven: RecordInput<Uint8Array>): Uint8Array | null {
    if (value === undefined) return driven.value;
    return value === null ? null : encodeValue(this.#parts.codec, value, driven);
  }

  /** Moves those that were collected. */
  async #flush(): Promise<void> {
    const { isDryRun, signal, onProgress } = this.#plan;
    const moves = this.#moves;
    if (moves.length === 0) return;
    this.#moves = [];
    this.#movesBytes = 0;
    if (!isDryRun) await this.#pace(moves.length);
    if (signal?.aborted === true) {
      this.#examinedCount -= moves.length; // The next run finds them.
      return;
    }
    const unmoved = isDryRun ? new Map<Move, never>() : await moveRecords(this.#parts, moves);
    for (const move of moves) {
      const skip = unmoved.get(move);
      if (skip !== undefined) this.#skips[skip]++;
      else this.#count(move.copy?.topic ?? this.#own);
    }
    onProgress(this.#progress);
  }

  #count({ name }: Topic<Uint8Array>): void {
    this.#movedCount++;
    this.#destinations.set(name, (this.#destinations.get(name) ?? 0) + 1);
  }

  /** Waits until `count` more records may go. */
  async #pace(count: number): Promise<void> {
    const { ratePerSecond } = this.#plan;
    if (ratePerSecond === null) return;
    const { clock } = this.#parts;
    const signal = this.#ending;
    const delayMs = this.#nextMs - clock.monotonic();
    if (delayMs > 0) await new Bell().wait({ clock, delayMs, signal, keepsAlive: true });
    this.#nextMs = clock.monotonic() + (count * 1000) / ratePerSecond;
  }

  get #progress(): RedriveProgress {
    const skippedCount = REDRIVE_SKIPS.reduce((sum, name) => sum + this.#skips[name], 0);
    const movedCount = this.#movedCount;
    return { examinedCount: this.#examinedCount, movedCount, skippedCount };
  }

  #report(): RedriveReport {
    const destinations = [...this.#destinations].map(([topic, count]) => ({ topic, count }));
    return {
      ...this.#progress,
      skips: this.#skips,
      destinations,
      isDryRun: this.#plan.isDryRun,
      wasAborted: this.#plan.signal?.aborted ?? false,
      next: this.#next,
    };
  }

  /** Nothing could be moved, and the caller has to do something about it. */
  #throwUnmovable(): void {
    if (this.#goneOrigin !== null) {
      throw new NotFoundError({ kind: 'topic', name: this.#goneOrigin });
    }
    if (this.#skips['origin-is-here'] > 0) throw intoItself(this.#own.name);
  }
}

function hasRecord(topic: PartitionSet, partition: number, offset: number): Promise<boolean> {
  return topic.at(partition).use(async (log) => {
    if (offset < log.startOffset || offset >= log.visibleOffset) return false;
    try {
      return (await log.read(offset)) !== null;
    } catch (error) {
      if (isTrimmed(error)) return false;
      throw error;
    }
  });
}

function noSkips(): Record<RedriveSkip, number> {
  return {
    filtered: 0,
    'not-dead': 0,
    leased: 0,
    settled: 0,
    missing: 0,
    'origin-gone': 0,
    'origin-is-here': 0,
    'too-large': 0,
  };
}

function intoItself(name: string): ConflictError {
  const requested = 'that they go there; `to` names another topic';
  return new ConflictError({ kind: 'topic', name, stored: 'these records', requested });
}

/** @throws TypeError */
function checkEdit<Input>(edit: RedriveEdit<Input>): RedriveEdit<Input> {
  return plainOptions(edit, EDIT_KEYS);
}

function changed<V, W>(value: V | undefined, before: W): V | W {
  return value === undefined ? before : value;
}
