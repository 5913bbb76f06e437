/**
 * What may have become of one record of a share group, from what its consumers were told alone.
 *
 * It is a set of possibilities: a call that was not answered adds one, an answer or a delivery leaves
 * one.
 */
import type { JournalOrder } from './journal-order.ts';

/** `missing`: a power cut took the record itself, which was not synced. */
export const ENDS = ['acked', 'dead', 'cancelled', 'purged', 'moved', 'missing'] as const;

export type End = (typeof ENDS)[number];
type Possibility = 'there' | End;

/** What a consumer sees of an attempt. */
export interface Attempt {
  readonly attempt: number;
  readonly failures: number;
  /** Wall time. */
  readonly nowMs: number;
}

/** A call that ends a record; nothing is known of it yet. */
export interface PendingEnd {
  /** @param isSynced  whether a power cut leaves it */
  answered(isSynced: boolean): void;
  /** It has changed nothing. */
  refused(): void;
}

interface Mark {
  readonly place: number;
  readonly attempt: number;
}

export class RecordFate {
  readonly #order: JournalOrder;
  readonly #fault: (promise: string, what: string) => void;
  readonly #possible = new Set<Possibility>(['there']);
  /** Whether a power cut took the record itself. */
  isLost = false;
  /** Whether its copy may be made later than its death is answered: where there is no room for it. */
  isCopiedLater = false;
  /** How often it was handed out. */
  handedCount = 0;
  /** Whether no lease is known that runs, or ended without an answer. */
  isQuiet = true;
  /** Attempts seen that a power cut may still take back, and the one that it cannot. */
  #marks: Mark[] = [];
  #attemptMin = 0;
  #failuresMin = 0;
  /** Not before that wall time; null = whenever. */
  #due: { readonly ms: number; isSure: boolean } | null = null;
  /** The end that was answered, and not synced. */
  #writtenAt: number | null = null;

  constructor(order: JournalOrder, fault: (promise: string, what: string) => void) {
    this.#order = order;
    this.#fault = fault;
  }

  may(what: Possibility): boolean {
    return this.#possible.has(what);
  }

  is(what: Possibility): boolean {
    return this.#possible.size === 1 && this.may(what);
  }

  toString(): string {
    return [...this.#possible].join(' or ');
  }

  /** A consumer got it: so it was there, and this is one attempt more. */
  handedOver({ attempt, failures, nowMs }: Attempt): void {
    const last = this.#marks.at(-1)?.attempt ?? this.#attemptMin;
    if (!this.may('there')) this.#fault('A7', `handed out, though it is ${this.toString()}`);
    if (attempt <= last) this.#fault('attempts', `attempt ${attempt} after attempt ${last}`);
    if (failures < this.#failuresMin) {
      this.#fault('attempts', `${failures} failures, ${this.#failuresMin} were answered`);
    }
    if (this.#due !== null && nowMs < this.#due.ms) {
      this.#fault('delay', `handed out at ${nowMs}, due at ${this.#due.ms}`);
    }
    this.#be('there');
    this.handedCount++;
    this.isQuiet = false;
    this.#marks.push({ place: this.#order.next(), attempt });
    this.#due = null;
  }

  /** Somebody asked for it to end like this. */
  ending(end: End): PendingEnd {
    const wasPossible = this.may(end);
    const { handedCount } = this;
    this.#possible.add(end);
    return {
      answered: (isSynced) => {
        if (this.handedCount !== handedCount) {
          this.#fault('A7', `${end}, though it was handed out again meanwhile`);
          return;
        }
        this.#be(end);
        if (!isSynced) this.#writtenAt = this.#order.next();
      },
      refused: () => {
        if (!wasPossible && this.handedCount === handedCount) this.#possible.delete(end);
      },
    };
  }

  /** It may have ended like this, or will. */
  mayHaveEnded(end: End): void {
    this.#possible.add(end);
  }

  /** That it ended like this was seen. */
  found(end: End): void {
    if (!this.may(end)) this.#fault('A8', `it is ${end}, and can only be ${this.toString()}`);
    this.#be(end);
  }

  /** It did not end like this, as was seen: complains when there is nothing else that it may be. */
  notFound(end: End): void {
    if (this.is(end)) this.#fault('A8', `it is not ${end}, as was answered`);
    else this.#possible.delete(end);
  }

  /** A gap stands in its place, as far as its log goes. */
  lost(): void {
    this.isLost = true;
    this.#possible.add('missing');
  }

  /** What was asked for its end is undone. */
  back(isSure: boolean): void {
    if (isSure) this.#be('there');
    else this.#possible.add('there');
  }

  /** It begins anew: it was dead, and is not any more. */
  revived(isSure: boolean): void {
    this.back(isSure);
    this.#marks = [];
    this.#attemptMin = 0;
    this.#failuresMin = 0;
    this.#due = null;
  }

  /** Its holder gives it back. */
  releasing(dueMs: number | null): { answered(isFailed: boolean): void; refused(): void } {
    const due = dueMs === null ? null : { ms: dueMs, isSure: false };
    const { handedCount } = this;
    this.#due = due;
    return {
      answered: (isFailed) => {
        if (isFailed) this.#failuresMin++;
        if (this.handedCount !== handedCount) return;
        this.isQuiet = true;
        if (due !== null) due.isSure = true;
      },
      refused: () => {
        if (this.#due === due) this.#due = null;
      },
    };
  }

  /** The last attempt does not count, perhaps. */
  undelivered(): void {
    const last = this.#marks.at(-1);
    if (last !== undefined) this.#marks.push({ ...last, attempt: last.attempt - 1 });
    else this.#attemptMin = Math.max(0, this.#attemptMin - 1);
  }

  /** The wall clock went back: when it is due cannot be told any more. */
  forgetDue(): void {
    this.#due = null;
  }

  /** The process is gone. @param isPowerCut  and with it what was not synced */
  restarted(isPowerCut: boolean): void {
    const kept = this.#marks.filter(({ place }) => !isPowerCut || this.#order.isDurable(place));
    this.#attemptMin = kept.at(-1)?.attempt ?? this.#attemptMin;
    this.#marks = [];
    this.isQuiet = true;
    if (isPowerCut || this.#due?.isSure === false) this.#due = null;
    const isLost = this.#writtenAt !== null && isPowerCut;
    if (isLost && !this.#order.isDurable(this.#writtenAt ?? 0)) this.#possible.add('there');
    this.#writtenAt = null;
    if (isPowerCut) this.#failuresMin = 0; // What counts them may not be synced; attempts are looked at.
  }

  #be(what: Possibility): void {
    this.#possible.clear();
    this.#possible.add(what);
    if (this.isLost && what === 'there') this.#possible.add('missing');
    this.#writtenAt = null;
  }
}
