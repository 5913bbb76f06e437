/**
 * Commits: changes of state and records for several logs, all of it or nothing, after any crash.
 *
 * Everything stands in one entry of the journal, synced once; the logs are written after that, and
 * need no sync of their own: what they lose in a power cut, their next opening takes from the
 * journal. Commits that come while one group is on its way are the next.
 */
import { toError } from '../core/abort.ts';
import { assert, present } from '../core/assert.ts';
import { certainError } from '../core/certain-error.ts';
import { BackpressureError, FailedError, ioErrorOf, TooLargeError } from '../core/errors.ts';
import { MIB } from '../core/limits.ts';
import type { Appender } from '../log/appender.ts';
import type { HeldAppend } from '../log/held-append.ts';
import type { PreparedAppend } from '../log/prepared-records.ts';
import { runBytesOf } from '../log/record-run.ts';
import { AnswerTurns } from './answer-turns.ts';
import { partsOf, type Parts } from './commit-parts.ts';
import { joinedChanges, type JointChange } from './joint-change.ts';
import type { Change, EncodedChange, Journal } from './journal.ts';
import { misfitError, type Misfit } from './misfits.ts';

/** Records and changes of one commit, encoded; a group takes as many, and is one entry of the journal. */
export const COMMIT_BYTES_MAX = 8 * MIB;
/** What may wait for the journal: a bound for callers who do not wait for it themselves. */
const WAITING_BYTES_MAX = 64 * MIB;

export interface Commit {
  /**
   * Decided by the caller: they must fit the state, also behind commits that were asked for before.
   * Nobody may change them any more: state is made of them.
   */
  readonly changes?: readonly Change[];
  /** Its shares in changes that it has in common with others of its group; behind all `changes`. */
  readonly joint?: readonly JointChange[];
  /** At most one per log. */
  readonly appends?: readonly PreparedAppend[];
  /**
   * A last look, in the step that gives its records their offsets, which may come much later than the
   * call; and again when a log of another commit sent them back. Must not append or commit.
   *
   * @throws why not: this commit alone is rejected with it, and nothing of it happened
   */
  readonly check?: (() => void) | undefined;
}

export interface CommitResult {
  /** Offset of the first record of each of `appends`, in order. */
  readonly baseOffsets: readonly number[];
}

/**
 * Whom a commit is answered: exactly one of the two is called, and must not throw. Those of one group may be
 * answered in several turns.
 */
export interface CommitOwner {
  /** As `CommitResult`. */
  committed(baseOffsets: readonly number[]): void;
  /** @param error  as `Committer.commit` rejects */
  failed(error: Error): void;
}

/** A commit that was taken, and is not answered. */
interface Waiting {
  readonly changes: readonly EncodedChange[];
  readonly joint: readonly JointChange[];
  readonly appends: readonly PreparedAppend[];
  readonly sizeBytes: number;
  readonly check: (() => void) | undefined;
  /** As the group that it was last in has given them. */
  baseOffsets: readonly number[];
  /** Of its own changes the first that did not fit the state. */
  misfit: Misfit | null;
  readonly owner: CommitOwner;
}

const NO_OFFSETS: readonly number[] = [];

type Holds = ReadonlyMap<Appender, HeldAppend>;

export class Committer {
  readonly #journal: Journal;
  #waiting: Waiting[] = [];
  /** Of all that was taken and is not answered. */
  #queuedBytes = 0;
  #running: Promise<void> | null = null;
  readonly #answers = new AnswerTurns<Waiting>((waiting) => this.#end(waiting));
  /**
   * By log, until when what commits brought stays out of sight: one of them waits for room, here or in
   * another log. What comes behind would be seen in its other logs alone.
   */
  readonly #unseen = new Map<Appender, Promise<void>>();

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  /**
   * Commits all of it.
   *
   * @throws TooLargeError above 8 MiB of records and changes; BackpressureError while 64 MiB wait;
   *   when nothing of it happened, the refusal of a log, as `Log.append`, or of the journal;
   *   FailedError with `indeterminate` when only the next opening can tell; ConflictError for a
   *   change that does not fit the state: it is left out, all else stands
   *
   * Durability: survives a power cut when it resolves. Readers see the records by then, in all logs
   * at once; on a full disk they may have to wait for room. Cost: a share of one fdatasync of the
   * journal, and of one in each log that has records of others to sync first.
   */
  commit(commit: Commit): Promise<CommitResult> {
    return new Promise((resolve, reject) => {
      const committed = (baseOffsets: readonly number[]) => resolve({ baseOffsets });
      this.submit(commit, { committed, failed: reject });
    });
  }

  /** As `commit`, without a promise: for those who commit very often. Perhaps answered at once. */
  submit(commit: Commit, owner: CommitOwner): void {
    const { changes = [], joint = [], appends = [], check } = commit;
    try {
      const encoded = changes.map((each) => this.#journal.encode(each));
      checkQueue(this.#queuedBytes);
      // No spread: in Node 20 each object with names behind one has a hidden class of its own, for 1 us.
      const waiting: Waiting = {
        changes: encoded,
        joint,
        appends,
        sizeBytes: checkSize(encoded, joint, appends),
        check,
        baseOffsets: NO_OFFSETS,
        misfit: null,
        owner,
      };
      this.#queuedBytes += waiting.sizeBytes;
      if (appends.length === 0) void this.#change(waiting);
      else {
        this.#waiting.push(waiting);
        this.#running ??= this.#runAll();
      }
    } catch (error) {
      releaseAll(appends);
      owner.failed(toError(error));
    }
  }

  /** Never rejects. */
  async #change(waiting: Waiting): Promise<void> {
    try {
      waiting.check?.();
      const misfits = await this.#journal.commit(this.#changesOf([waiting]), []);
      waiting.misfit = firstBetween(misfits, 0, waiting.changes.length);
      this.#end(waiting);
    } catch (error) {
      this.#reject(waiting, toError(error));
    }
  }

  #end(waiting: Waiting): void {
    const { misfit, owner, baseOffsets } = waiting;
    if (misfit !== null) {
      this.#reject(waiting, misfitError(misfit));
      return;
    }
    this.#letGo(waiting);
    owner.committed(baseOffsets);
  }

  #reject(waiting: Waiting, error: Error): void {
    this.#letGo(waiting);
    waiting.owner.failed(error);
  }

  #letGo({ sizeBytes, appends }: Waiting): void {
    this.#queuedBytes -= sizeBytes;
    releaseAll(appends);
  }

  /** Waits until nothing is on its way. */
  async idle(): Promise<void> {
    while (this.#running !== null) await this.#running;
    await this.#answers.idle();
  }

  /** Never rejects: whatever fails reaches the callers. */
  async #runAll(): Promise<void> {
    await Promise.resolve(); // Those of this turn go together.
    try {
      while (this.#waiting.length > 0) {
        const group = this.#takeGroup();
        if (group.length > 0) await this.#run(group);
      }
    } finally {
      this.#running = null; // At once: who comes a microtask later must see that nobody looks again.
    }
  }

  /** The oldest that go into one entry. Answers those that a log refuses, or their last look. */
  #takeGroup(): readonly Waiting[] {
    const group: Waiting[] = [];
    let sizeBytes = 0;
    let taken = 0;
    for (const next of this.#waiting) {
      const refusal = refusalOf(next.appends);
      const nextBytes = refusal === null ? next.sizeBytes : 0;
      if (sizeBytes + nextBytes > COMMIT_BYTES_MAX) break;
      taken++;
      const objection = refusal ?? objectionOf(next);
      if (objection === null) {
        group.push(next);
        sizeBytes += nextBytes;
      } else this.#reject(next, objection);
    }
    this.#waiting.splice(0, taken);
    return group;
  }

  async #run(group: readonly Waiting[]): Promise<void> {
    const parts = partsOf(group);
    const holds = new Map<Appender, HeldAppend>();
    for (const [appender, { baseOffset, runs }] of parts) {
      try {
        const held = appender.commits.hold(runs);
        assert(held.baseOffset === baseOffset, 'numbered in the same step');
        holds.set(appender, held);
      } catch (error) {
        appender.fail(error); // A batch that cannot be encoded.
        await failuresOf(holds); // What stands before the others may be being written.
        this.#dissolve(group, holds, toError(error));
        return;
      }
    }
    const unready = await failuresOf(holds);
    if (unready.size > 0) {
      this.#retryWithout(unready, group, holds);
      return;
    }
    let misfits: ReadonlyMap<number, Misfit>;
    try {
      misfits = await this.#journal.commit(this.#changesOf(group), appendsOf(parts, holds));
    } catch (error) {
      this.#dissolve(group, holds, toError(error));
      return;
    }
    await this.#apply(holds);
    let index = 0;
    for (const waiting of group) {
      const end = index + waiting.changes.length;
      waiting.misfit = misfits.size === 0 ? null : firstBetween(misfits, index, end);
      index = end;
    }
    this.#answers.add(group, this.#waiting.length > 0);
  }

  /** One behind the other, for they are known by their index; those in common last, for they always fit. */
  #changesOf(group: readonly Waiting[]): readonly EncodedChange[] {
    const all: EncodedChange[] = [];
    for (const { changes } of group) for (const each of changes) all.push(each);
    for (const each of joinedChanges(group)) all.push(this.#journal.encode(each));
    return all;
  }

  /** Logs cannot take their part: the commits without them try again. */
  #retryWithout(
    unready: ReadonlyMap<Appender, Error>,
    group: readonly Waiting[],
    holds: Holds,
  ): void {
    const [cause] = unready.values();
    for (const [appender, held] of holds) {
      held.refuse(unready.get(appender) ?? undone(appender, present(cause, 'one at least')));
    }
    const others: Waiting[] = [];
    for (const waiting of group) {
      const refused = waiting.appends.find(({ appender }) => unready.has(appender));
      if (refused === undefined) others.push(waiting);
      else this.#reject(waiting, present(unready.get(refused.appender), 'it has'));
    }
    this.#waiting.unshift(...others);
  }

  /** Has the records written and shown. Resolves early when some wait for room on the disk. */
  async #apply(holds: Holds): Promise<void> {
    const all = [...holds.values()];
    for (const held of all) held.release();
    await Promise.all(all.map(({ settled }) => settled));
    const show = () => {
      for (const held of all) held.show();
    };
    const ended = all.map((held) => held.ended);
    const before = [...holds.keys()].flatMap((appender) => this.#unseen.get(appender) ?? []);
    if (before.length === 0 && all.every(({ isEnded }) => isEnded)) show();
    else void this.#showLater(holds, Promise.all([...before, ...ended]).then(show));
  }

  async #showLater(holds: Holds, shown: Promise<void>): Promise<void> {
    for (const appender of holds.keys()) this.#unseen.set(appender, shown);
    await shown;
    for (const appender of holds.keys()) {
      if (this.#unseen.get(appender) === shown) this.#unseen.delete(appender);
    }
  }

  #dissolve(group: readonly Waiting[], holds: Holds, error: Error): void {
    const isKnown = !(error instanceof FailedError && error.details.indeterminate);
    for (const [appender, held] of holds) {
      // The journal may have given these offsets away: nobody else may get them.
      if (!isKnown) appender.fail(error);
      held.refuse(error);
    }
    for (const waiting of group) this.#reject(waiting, error);
  }
}

function releaseAll(appends: readonly PreparedAppend[]): void {
  for (const { release } of appends) release?.();
}

/** @throws BackpressureError */
function checkQueue(queuedBytes: number): void {
  if (queuedBytes < WAITING_BYTES_MAX) return;
  throw new BackpressureError({ queuedBytes, queuedBytesMax: WAITING_BYTES_MAX });
}

/** @returns bytes of all that it brings @throws TooLargeError */
function checkSize(
  changes: readonly EncodedChange[],
  joint: readonly JointChange[],
  appends: readonly PreparedAppend[],
): number {
  let bytes = 0;
  for (const { bytesMax } of joint) bytes += bytesMax;
  for (const change of changes) bytes += change.bytes.length;
  for (const { runs } of appends) bytes += runBytesOf(runs);
  if (bytes <= COMMIT_BYTES_MAX) return bytes;
  throw new TooLargeError({ what: 'commit', bytes, bytesMax: COMMIT_BYTES_MAX });
}

function refusalOf(appends: readonly PreparedAppend[]): Error | null {
  for (const { appender } of appends) {
    const refusal = appender.refusal(undefined);
    if (refusal !== null) return refusal;
  }
  return null;
}

function objectionOf({ check }: Waiting): Error | null {
  try {
    check?.();
    return null;
  } catch (error) {
    return toError(error);
  }
}

/** Why a log cannot take its part: what stands before is not durable, or there is no room. */
async function failuresOf(holds: Holds): Promise<ReadonlyMap<Appender, Error>> {
  const failures = new Map<Appender, Error>();
  await Promise.all(
    [...holds].map(async ([appender, held]) => {
      // The journal was not given any of it yet.
      await held.ready().catch((error: unknown) => failures.set(appender, certainError(error)));
    }),
  );
  return failures;
}

function firstBetween(
  misfits: ReadonlyMap<number, Misfit>,
  from: number,
  to: number,
): Misfit | null {
  for (const [index, misfit] of misfits) if (index >= from && index < to) return misfit;
  return null;
}

function appendsOf(parts: Parts, holds: Holds) {
  return [...holds].map(([appender, { baseOffset, nextOffset, batches }]) => {
    const { logId } = present(parts.get(appender), 'held for its part');
    const [only] = batches;
    const joined = only !== undefined && batches.length === 1 ? only : Buffer.concat(batches);
    return { logId, baseOffset, nextOffset, batches: joined };
  });
}

/** What stands behind records of a commit that another log undid. */
function undone({ path }: Appender, cause: Error): Error {
  const details = { path, operation: 'append', position: null, errno: 'ECANCELED' };
  return ioErrorOf(details, { cause });
}
