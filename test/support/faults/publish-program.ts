/** A transaction of an ack, an append and a publish to each of two exchanges, and what every disk must show. */
import { utf8 } from '../../../src/codec/codec.ts';
import { present } from '../../../src/core/assert.ts';
import type { DurabilityLevel } from '../../../src/log/log-options.ts';
import type { PublishResult } from '../../../src/routing/publish-options.ts';
import type { Store } from '../../../src/store/store.ts';
import type {
  Committed,
  TransactionConfirmation,
} from '../../../src/transaction/transaction-options.ts';
import type { Transaction } from '../../../src/transaction/transaction.ts';
import { textsOf } from '../dead-queue.ts';
import { valuesOf } from '../routing-disk.ts';
import { StoreDisk } from '../store-disk.ts';
import type { Found } from './transaction-program.ts';

/** What each exchange is published, and who gets it. */
const PUBLISHES = [
  { exchange: 'events', value: 'event', destinations: ['mail', 'log'] },
  { exchange: 'alarms', value: 'alarm', destinations: ['log'] },
] as const;

const SETTLE = 'settle';
const DESTINATIONS = ['mail', 'log'] as const;

/** A store, closed, with a record to ack, and one behind each exchange. */
export async function preparePublishes(level: DurabilityLevel): Promise<StoreDisk> {
  const disk = await StoreDisk.make();
  const store = await disk.open();
  const { jobs, exchanges } = await openAll(store, level);
  await jobs.send('job');
  for (const exchange of exchanges) {
    for (const name of destinationsOf(exchange.name)) await exchange.bind(name);
  }
  for (const exchange of exchanges) await exchange.publish('before', { confirm: 'routed' });
  await store.close();
  return disk;
}

/** Opens the logs, and leases what is acked. */
export async function openForPublishes(store: Store, level: DurabilityLevel) {
  const opened = await openAll(store, level);
  await sourcesOf(store);
  for (const name of [...DESTINATIONS, 'done']) await valuesOf(store, name);
  const [job] = await opened.jobs.acquire();
  return { ...opened, job: present(job, 'it was sent') };
}

type Opened = Awaited<ReturnType<typeof openForPublishes>>;

/** A transaction on its way. */
export interface RunningPublishes {
  readonly isCommitted: () => boolean;
  /** Resolves as `confirm` says. */
  readonly transaction: Promise<void>;
  /** What is published beside it, at the level of the exchange. */
  readonly plain: Promise<unknown>;
}

export function runPublishes(
  { store, job, done, exchanges }: Opened,
  confirm: TransactionConfirmation,
): RunningPublishes {
  const published: Committed<PublishResult>[] = [];
  const action = (tx: Transaction): void => {
    tx.ack(job);
    tx.append(done, { value: 'done' });
    for (const [at, { value }] of PUBLISHES.entries()) {
      const exchange = present(exchanges[at], 'one for each');
      published.push(tx.publish(exchange, value, { mandatory: true }));
    }
  };
  const [events] = exchanges;
  return {
    plain: present(events, 'one for each').publish(SETTLE),
    isCommitted: () => published.length > 0 && published.every(({ result }) => result !== null),
    transaction: store.transaction(action, { confirm }),
  };
}

/** Waits until all that was published before is in its destinations. */
export async function settlePublishes(store: Store, level: DurabilityLevel): Promise<void> {
  const { exchanges } = await openAll(store, level);
  for (const exchange of exchanges) await exchange.publish(SETTLE, { confirm: 'routed' });
}

/** What is in the destinations now. */
export async function copiesOf(store: Store): Promise<readonly (readonly string[])[]> {
  const all: string[][] = [];
  for (const name of DESTINATIONS) {
    const values = await valuesOf(store, name);
    const texts = values.map((value) => present(value, 'a text'));
    all.push(texts.filter((text) => text !== SETTLE).toSorted());
  }
  return all;
}

/** What they come to, by what was found in the sources. */
export function copiesFor(found: Found): readonly (readonly string[])[] {
  return DESTINATIONS.map((name) =>
    PUBLISHES.filter(({ destinations }) => destinations.some((one) => one === name))
      .flatMap(({ value }) => (found === 'whole' ? ['before', value] : ['before']))
      .toSorted(),
  );
}

/** What is there of the transaction, copies aside. @throws Error when that is a part */
export async function findPublishes(store: Store): Promise<Found> {
  const [events, alarms] = await sourcesOf(store);
  const left = await textsOf(store, 'jobs');
  const counts = [
    countOf(events, 'event'),
    countOf(alarms, 'alarm'),
    countOf(await valuesOf(store, 'done'), 'done'),
    left.includes('job') ? 0 : 1,
  ];
  if (store.misfits.count > 0) throw new Error('an entry does not fit');
  if (counts.every((count) => count === 1)) return 'whole';
  if (counts.every((count) => count === 0)) return 'absent';
  throw new Error(`the transaction is there in part: ${counts.join()}`);
}

async function sourcesOf(store: Store) {
  const sources: (readonly (string | null)[])[] = [];
  for (const { exchange } of PUBLISHES) {
    sources.push(await valuesOf(store, `exchange:${exchange}`));
  }
  return sources;
}

function countOf(values: readonly (string | null)[] | undefined, value: string): number {
  return values?.filter((one) => one === value).length ?? 0;
}

function destinationsOf(exchange: string): readonly string[] {
  return PUBLISHES.find((each) => each.exchange === exchange)?.destinations ?? [];
}

async function openAll(store: Store, durability: DurabilityLevel) {
  const jobs = await store.queue('jobs', { codec: utf8 });
  const done = await store.topic('done', { codec: utf8, durability });
  await store.queue('mail', { codec: utf8, durability });
  await store.topic('log', { codec: utf8, durability });
  const options = { codec: utf8, type: 'fanout', source: { durability } } as const;
  const exchanges = [
    await store.exchange('events', options),
    await store.exchange('alarms', options),
  ];
  return { store, jobs, done, exchanges };
}
