/** What all share groups of one seed owe, over all lives of the store. */
import type { SentRecord } from '../../records.ts';
import type { Ending } from '../../oracle.ts';
import { StateOracle } from '../state-oracle.ts';
import { JournalOrder } from './journal-order.ts';
import { LoopTime } from './loop-time.ts';
import { LETTERS_ID, LETTER_TOPIC, QUEUE_GROUP } from './queue-topics.ts';
import type { RecordFate } from './record-fate.ts';
import { ShareLedger, type Bounds } from './share-ledger.ts';

/** By id: whether it hands records out. */
export type Groups = ReadonlyMap<string, 'running' | 'paused'>;

/** An ack with what is appended in the same commit. */
export interface SentTransaction {
  readonly fate: RecordFate;
  /** How often the record had been handed out by then. */
  readonly handedCount: number;
  status: 'open' | 'answered' | 'refused';
}

export interface QueueOraclesOptions {
  readonly fault: (promise: string, what: string) => void;
  readonly show: (state: ReadonlyMap<unknown, unknown>) => string;
  /** Number of the record at a place of a topic; null = there is none. */
  readonly idAt: (topic: string, partition: number, offset: number) => number | null;
}

export class QueueOracles {
  readonly fault: (promise: string, what: string) => void;
  readonly order = new JournalOrder();
  readonly loopTime = new LoopTime();
  /** Which groups there are. */
  readonly groups: StateOracle<Groups>;
  readonly ledgers = new Map<string, ShareLedger>();
  /** All that was ever sent, by number. */
  readonly sent = new Map<number, SentRecord>();
  readonly transactions = new Map<number, SentTransaction>();
  /** Numbers of the records whose dead letters were seen. */
  readonly letters = new Set<number>();
  /** Of those that may have died in a group that is gone: they may do so once more in another. */
  readonly formerDead = new Set<number>();
  /** By topic and partition: what groups that are gone may have settled, and so may be gone with them. */
  readonly formerSettled = new Map<string, Set<number>>();
  readonly #idAt: QueueOraclesOptions['idAt'];

  constructor({ fault, show, idAt }: QueueOraclesOptions) {
    this.fault = fault;
    this.#idAt = idAt;
    this.groups = new StateOracle<Groups>({
      first: new Map(),
      show,
      isOrdered: false,
      fault: (promise, what) => fault(promise, `share groups: ${what}`),
    });
    this.begin(LETTER_TOPIC, QUEUE_GROUP, []); // The engine makes it.
  }

  /** A group begins, with all records to come and those from `starts` on. */
  begin(topic: string, group: string, starts: Bounds): ShareLedger {
    const { order, fault } = this;
    const id = `${topic}/${group}`;
    const ledger = new ShareLedger({ id, topic, group, order, fault });
    ledger.starts = starts;
    this.ledgers.set(id, ledger);
    return ledger;
  }

  /** The group is gone. */
  end(id: string): void {
    const ledger = this.ledgers.get(id);
    this.ledgers.delete(id);
    ledger?.eachKnown((fate, partition, offset) => {
      const record = fate.may('dead') ? this.#idAt(ledger.topic, partition, offset) : null;
      if (record !== null) this.formerDead.add(record);
      if (!fate.is('there')) this.#noteSettled(`${ledger.topic}/${partition}`, offset);
    });
  }

  #noteSettled(log: string, offset: number): void {
    const offsets = this.formerSettled.get(log) ?? new Set();
    this.formerSettled.set(log, offsets.add(offset));
  }

  /** A store was opened again, and has these groups. */
  reopened(found: Groups, ending: Ending): void {
    this.groups.adopt(found, `after ${ending}`);
    for (const ledger of this.ledgers.values()) {
      if (ledger.id === LETTERS_ID) ledger.restarted(ending === 'power');
      else if (!found.has(ledger.id)) this.end(ledger.id);
      else {
        ledger.restarted(ending === 'power');
        ledger.isPaused = found.get(ledger.id) === 'paused';
      }
    }
    this.order.reopened();
  }
}

export function withGroup(id: string, how: 'running' | 'paused'): (state: Groups) => Groups {
  return (state) => new Map([...state, [id, how]]);
}

/** Of a group that is there. */
export function changedGroup(id: string, how: 'running' | 'paused'): (state: Groups) => Groups {
  return (state) => (state.has(id) ? new Map([...state, [id, how]]) : state);
}

export function withoutGroup(id: string): (state: Groups) => Groups {
  return (state) => new Map([...state].filter(([each]) => each !== id));
}
