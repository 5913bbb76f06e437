/**
 * What takes part in a transaction. Nothing here knows what that may be: a folder that has something
 * to commit makes a part of its own, and its classes bring it in by a method of this file's symbols.
 */
import type { JointChange } from '../journal/joint-change.ts';
import type { Change } from '../journal/journal.ts';
import type { PreparedAppend } from '../log/prepared-records.ts';
import type { PartitionSet } from '../topic/partition-set.ts';
import type { ProducerHold } from '../topic/producers.ts';
import type { Committed } from './transaction-options.ts';

/** Whatever the levels of its topics are, the journal has a commit synced. */
export const COMMIT_DURABILITY = 'sync';

/** What became of a transaction. */
export type CommitOutcome =
  | {
      readonly kind: 'committed';
      /** Of the first record of each of the part's `appends`, in order. */
      readonly baseOffsets: readonly number[];
    }
  | {
      readonly kind: 'failed';
      /** With `FailedError.indeterminate` nobody can tell before the next opening; else nothing happened. */
      readonly error: unknown;
    };

/**
 * One thing that a transaction does. Its methods are called in this order; `prepare` and all behind it
 * but `end` only when the transaction comes so far.
 */
export interface CommitPart {
  /**
   * Calls `lost`, once, when what it relies on is gone before `secure`. Called at most once, when somebody
   * wants to know: perhaps before there is anything in it. Ended by `end`.
   */
  watch?(lost: (reason: unknown) => void): void;
  /**
   * Opens logs, reads what has to be looked at. May take long: nothing is held yet. All parts at once.
   *
   * @returns null = there is nothing to wait for
   * @throws why it cannot be, or rejects so
   */
  prepare(): Promise<void> | null;
  /**
   * Another commit or append that must end first: then all parts are asked again. Never rejects.
   *
   * @returns null = there is none
   */
  obstacle?(): Promise<void> | null;
  /** In one step with all other parts: takes what must not change. @throws why not: all are let go */
  secure(): void;
  /** In the step of `secure`. @param nowMs  wall time */
  changes(nowMs: number): readonly Change[];
  /** In the step of `changes`, behind it: what it has in common with other transactions. */
  joint?(): readonly JointChange[];
  /** In the step of `secure`: at most one per log, of logs that no other part appends to. */
  appends(): readonly PreparedAppend[];
  /**
   * In the step that gives records their offsets, perhaps much later; again when a log of another commit
   * sent them back. Must not append or commit.
   *
   * @throws why not: the transaction has failed
   */
  check?(): void;
  /** Exactly once, however far it came. Must not throw. */
  end(outcome: CommitOutcome): void;
  /**
   * Behind an `end` that was told of a commit: resolves when what was committed has come to where it goes
   * from there.
   *
   * @throws the signal's reason; ClosedError: it will come there when the store is open
   */
  arrived?(signal: AbortSignal | undefined): Promise<void>;
}

/** What is added to a transaction. */
export interface Share {
  /** At least as many as it will have in the journal. */
  readonly bytes: number;
  readonly records?: number;
  readonly acks?: number;
  readonly positions?: number;
}

/** What belongs to a store. */
export type StoreOwned = Pick<PartitionSet, 'isOf'>;

/** A transaction, as those see it who have something for it. */
export interface PartCollector {
  /** `name` may be empty. */
  readonly label: { readonly id: number; readonly name: string };
  /** Whether it is committed, or will never be. */
  readonly isOver: boolean;
  /** The part of that kind: made at its first use. */
  part<P extends CommitPart>(Kind: new () => P): P;
  /** Throws unless what is to be added belongs to the store of the transaction. */
  checkStore(name: string, topic: StoreOwned): void;
  /** Call it before anything is added. @throws TooLargeError: nothing may be added */
  reserve(share: Share): void;
}

/** Brings acks into a transaction: a method of deliveries. */
export const ackIn: unique symbol = Symbol('varve.ackIn');

export interface Acknowledgeable {
  /**
   * @param all  this one, and others
   * @throws TypeError when one of them is no delivery, or of another store; LeaseLostError; as `reserve`:
   *   then none is added
   */
  [ackIn](into: PartCollector, all: readonly unknown[]): void;
}

/** Who sends what is appended: a property of producers. */
export const producerHold: unique symbol = Symbol('varve.producerHold');

export interface Producing {
  readonly [producerHold]: ProducerHold;
}

/** Brings a publish into a transaction: a method of exchanges. */
export const publishIn: unique symbol = Symbol('varve.publishIn');

export interface Publishable<Input, Options, Result> {
  /**
   * @throws TypeError for an exchange of another store; as the exchange's `publish`, for what is wrong by
   *   itself; as `reserve`: then nothing is added
   */
  readonly [publishIn]: (
    into: PartCollector,
    value: Input | null,
    options: Options | undefined,
  ) => Committed<Result>;
}

/** Brings positions into a transaction: a method of the members of consumer groups. */
export const commitOffsetIn: unique symbol = Symbol('varve.commitOffsetIn');

export interface Positioned<What, Options> {
  /** @throws as the member's own `commit`, or as `reserve`: then none is added */
  [commitOffsetIn](into: PartCollector, what: What, options?: Options): void;
}
