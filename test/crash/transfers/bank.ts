/** The store whose process gets killed: two accounts, and a queue of transfers between them. */
import { json, type Queue, type Store, type Topic } from '../../../src/index.ts';

export const ACCOUNTS = ['account-a', 'account-b'] as const;

export type AccountName = (typeof ACCOUNTS)[number];

/** What waits in the queue. */
export interface Transfer {
  /** Never given twice. */
  readonly number: number;
  readonly from: AccountName;
  /** Above 0. */
  readonly cents: number;
}

/** What stands in an account. */
export interface Entry {
  /** Of a transfer; `DEPOSIT` for what was there at first. */
  readonly number: number;
  /** Below 0 = taken from it. */
  readonly cents: number;
}

export interface Bank {
  readonly transfers: Queue<Transfer>;
  readonly accounts: Readonly<Record<AccountName, Topic<Entry>>>;
}

export const QUEUE = 'transfers';
export const DEPOSIT = -1;
/** In each account at first. */
export const DEPOSIT_CENTS = 5_000_000_00;
/** Short, so that a life of a fraction of a second sees leases end. */
export const LEASE_MS = 60;
/** Small, so that it is often a commit that begins a segment. */
const SEGMENT_BYTES = 64 * 1024;

/** Logs of both kinds: those that sync what a commit brought, and those that leave that to the journal. */
export async function openBank(store: Store): Promise<Bank> {
  const transfers = await store.queue<Transfer>(QUEUE, {
    codec: json(),
    partitions: 2,
    segmentBytesMax: SEGMENT_BYTES,
    leaseMs: LEASE_MS,
    failuresMax: null,
    expiriesMax: null,
    retention: 'keep',
  });
  const accounts = {
    'account-a': await store.topic<Entry>('account-a', {
      codec: json(),
      segmentBytesMax: SEGMENT_BYTES,
      durability: 'sync',
    }),
    'account-b': await store.topic<Entry>('account-b', {
      codec: json(),
      segmentBytesMax: SEGMENT_BYTES,
      durability: 'os',
      partitions: 2,
    }),
  };
  return { transfers, accounts };
}

/** What a transfer does to an account. */
export function centsFor({ from, cents }: Transfer, account: AccountName): number {
  return account === from ? -cents : cents;
}
