/** Transactions of the program: what each does, how it ends, and what its caller is told. */
import { onAbort } from '../../../../src/core/abort.ts';
import { ClosedError, ConflictError, FailedError } from '../../../../src/core/errors.ts';
import { FencedError, LeaseLostError } from '../../../../src/core/ownership-errors.ts';
import { randomBelow } from '../../../../src/core/random.ts';
import { TransactionEndedError } from '../../../../src/core/transaction-errors.ts';
import type { Delivery } from '../../../../src/queue/delivery.ts';
import type { PublishResult } from '../../../../src/routing/publish-options.ts';
import type {
  TopicAppendBatchResult,
  TopicAppendResult,
} from '../../../../src/topic/topic-results.ts';
import type { Committed } from '../../../../src/transaction/transaction-options.ts';
import type { Transaction } from '../../../../src/transaction/transaction.ts';
import { turns } from '../../log-fixture.ts';
import { chance, pick } from '../plan.ts';
import { SOURCE_PLACE } from './deed-oracle.ts';
import type { BroughtRecord, Deed } from './deeds.ts';
import { placeOf, type TextTopic, type TransactionSession } from './transaction-session.ts';

/** How an action ends. `hang`: it waits until it is told that it is over. */
const ENDINGS = ['return', 'throw', 'abort', 'hang', 'signal'] as const;
const RETURN_SHARE = 0.75;
const MOVES_MAX = 6;
const NO_TIMEOUT_MS = 86_400_000;

class Thrown extends Error {}

/** What the program has of one transaction. */
interface Running {
  readonly deed: Deed;
  readonly ending: (typeof ENDINGS)[number];
  readonly isRouted: boolean;
  readonly fills: (() => void)[];
  readonly acked: Delivery<string>[];
  readonly results: Committed<unknown>[];
}

type Move = (session: TransactionSession, tx: Transaction, running: Running) => void;

const MOVES: readonly Move[] = [
  append,
  append,
  append,
  send,
  publish,
  ack,
  ack,
  commitOffset,
  commitOffset,
];

/** Begins one, which may take long. */
export function beginTransaction(session: TransactionSession): void {
  const { world, store } = session;
  const { random, oracle } = world;
  const ending = chance(random, RETURN_SHARE) ? 'return' : pick(random, ENDINGS);
  const isRouted = chance(random, 0.15);
  const deed = oracle.begin();
  const running: Running = { deed, ending, isRouted, fills: [], acked: [], results: [] };
  const moves = Array.from({ length: 1 + randomBelow(random, MOVES_MAX) }, () =>
    pick(random, MOVES),
  );
  const isSlow = chance(random, 0.4);
  const stop = new AbortController();
  world.narrate(`begin deed ${deed.number}, to ${ending}`);
  const answer = store.transaction(
    async (tx) => {
      for (const move of moves) {
        if (isSlow) await turns(1 + randomBelow(random, 5));
        if (session.isOver) return;
        move(session, tx, running);
      }
      await endAction(running, tx, stop);
    },
    {
      name: `deed ${deed.number}`,
      confirm: isRouted ? 'routed' : 'committed',
      signal: stop.signal,
      timeoutMs: ending === 'hang' || chance(random, 0.1) ? 100 : NO_TIMEOUT_MS,
    },
  );
  void session.follow(
    answer,
    () => committed(session, running),
    (error) => ended(session, running, error),
  );
}

async function endAction(
  { ending }: Running,
  tx: Transaction,
  stop: AbortController,
): Promise<void> {
  if (ending === 'throw') throw new Thrown();
  if (ending === 'abort') tx.abort();
  if (ending === 'signal') stop.abort(new Thrown());
  if (ending !== 'hang') return;
  await new Promise<void>((resolve) => {
    onAbort(tx.signal, resolve);
  });
}

/** Its caller was told that it is there. */
function committed(session: TransactionSession, running: Running): void {
  const { world } = session;
  const { deed, ending, fills, acked, isRouted } = running;
  world.narrate(`committed ${deed.name}`);
  world.tally.add('committed');
  if (isRouted) world.tally.add('routed');
  if (ending !== 'return' && ending !== 'signal') world.fault('A4', `${deed.name}: ${ending}`);
  for (const fill of fills) fill();
  world.oracle.answered(deed);
  for (const delivery of acked) {
    if (!delivery.isSettled) world.fault('A4', `${deed.name} left a lease that runs`);
  }
  if (session.hasMishap) return;
  for (const { id, place, offset } of deed.records) {
    if (world.oracle.isGone(place)) continue;
    const isShown = offset !== null && session.logOf(place).log.visibleOffset > offset;
    if (!isShown) world.fault('visible', `#${id} of ${deed.name}, which was answered`);
  }
}

/** It was refused, or nobody knows. */
function ended(session: TransactionSession, running: Running, error: unknown): void {
  const { world } = session;
  const { deed, acked, results, isRouted } = running;
  world.narrate(`${deed.name} ended: ${String(error)}`);
  const word = endOf(running, error);
  if (word === null) session.explain(error);
  world.tally.add(word ?? 'failed');
  // Only the wait for the copies failed.
  if (isRouted && results.some(({ result }) => result !== null)) {
    committed(session, running);
    return;
  }
  if (error instanceof FailedError && error.details.indeterminate) {
    world.tally.add('indeterminate');
    return;
  }
  world.oracle.refused(deed);
  if (results.some(({ result }) => result !== null)) {
    world.fault('A4', `${deed.name} has results, and was refused`);
  }
  if (error instanceof LeaseLostError || session.hasMishap || session.isClosing) return;
  for (const delivery of acked) {
    const isAlone = session.uses.get(delivery) === 1;
    if (!delivery.signal.aborted && delivery.isSettled && isAlone) {
      world.fault('A4', `${deed.name} was refused, and its lease does not go on`);
    }
  }
}

/** What is counted; null = it needs another explanation. */
function endOf({ ending, deed }: Running, error: unknown): string | null {
  if (error instanceof Thrown) return ending === 'throw' || ending === 'signal' ? ending : null;
  if (error instanceof TransactionEndedError) {
    const { state } = error.details;
    if (state === 'timed-out') return 'timedOut';
    return state === 'aborted' && ending === 'abort' ? 'abort' : null;
  }
  if (error instanceof LeaseLostError && deed.acks.size > 0) return 'leaseLost';
  if (error instanceof FencedError && deed.ranges.length > 0) return 'fenced';
  // What is behind its batch was committed first: to go back would have that handled twice.
  if (isPositionConflict(error) && deed.ranges.length > 0) return 'passed';
  return null;
}

function append(session: TransactionSession, tx: Transaction, running: Running): void {
  const { world, handles, scrap } = session;
  const { random } = world;
  const topics: (readonly [TextTopic, string | null])[] = [
    [handles.orders, null],
    [handles.orders, null],
    [handles.audit, null],
    ...(scrap === null ? [] : [[scrap.topic, scrap.place] as const]),
  ];
  const [topic, place] = pick(random, topics);
  const partition = randomBelow(random, topic.partitionCount);
  const ids = Array.from({ length: 1 + randomBelow(random, 3) }, () => world.nextId());
  const values = ids.map((id) => ({ value: world.textOf(id) }));
  const added = unlessRefused(session, () => tx.append(topic, values, { partition }));
  if (added === null) return;
  running.results.push(added);
  const records = ids.map((id) => bring(session, running, id, place ?? placeOf(topic, partition)));
  running.fills.push(() => tellPlaced(session, records, added));
}

function tellPlaced(
  { world }: TransactionSession,
  records: readonly BroughtRecord[],
  { result }: Committed<TopicAppendBatchResult>,
): void {
  const [placed, ...others] = result?.placements ?? [];
  const isWhole = placed?.recordCount === records.length && result?.recordCount === records.length;
  if (placed === undefined || others.length > 0 || !isWhole) {
    world.fault('result', `${JSON.stringify(result)} for ${records.length} records`);
    return;
  }
  for (const [at, record] of records.entries()) record.offset = placed.baseOffset + at;
}

function send(session: TransactionSession, tx: Transaction, running: Running): void {
  const { world, handles } = session;
  const { random } = world;
  const queue = pick(random, handles.queues);
  const partition = randomBelow(random, queue.topic.partitionCount);
  const id = world.nextId();
  const added = unlessRefused(session, () => tx.send(queue, world.textOf(id), { partition }));
  if (added === null) return;
  const record = bring(session, running, id, placeOf(queue.topic, partition));
  running.results.push(added);
  running.fills.push(() => tell(session, record, added));
}

function publish(session: TransactionSession, tx: Transaction, running: Running): void {
  const { world, handles } = session;
  const id = world.nextId();
  const value = world.textOf(id);
  const added = unlessRefused(session, () =>
    tx.publish(handles.events, value, { mandatory: true }),
  );
  if (added === null) return;
  const record = bring(session, running, id, SOURCE_PLACE);
  running.results.push(added);
  running.fills.push(() => tell(session, record, added));
}

function tell(
  { world }: TransactionSession,
  record: BroughtRecord,
  { result }: Committed<TopicAppendResult> | Committed<PublishResult>,
): void {
  if (result === null) world.fault('result', `#${record.id} has none`);
  else record.offset = result.offset;
}

function ack(session: TransactionSession, tx: Transaction, running: Running): void {
  const { world, held } = session;
  const { random } = world;
  const all = [...held].filter(() => chance(random, 0.3)).slice(0, 3);
  if (all.length === 0) return;
  const deliveries = all.map(([, delivery]) => delivery);
  const added = unlessRefused(session, () => {
    tx.ack(deliveries);
    return true;
  });
  if (added === null) return;
  for (const [id, delivery] of all) {
    session.use(delivery);
    running.deed.acks.add(id);
  }
  running.acked.push(...deliveries);
}

function commitOffset(session: TransactionSession, tx: Transaction, running: Running): void {
  const { world, members } = session;
  const { deed } = running;
  if (members.length === 0) return;
  const member = pick(world.random, members);
  const batch = chance(world.random, 0.3) ? member.exchange() : member.take();
  member.read();
  if (batch === null) return;
  world.tally.add('batches');
  const metadata = String(deed.number);
  const added = unlessRefused(session, () => {
    tx.commitOffset(member.handle, batch, { metadata });
    return true;
  });
  if (added === null) return;
  const { partition, baseOffset: from, nextOffset: to } = batch;
  deed.ranges.push({ partition, from, to });
}

function bring({ world }: TransactionSession, { deed }: Running, id: number, place: string) {
  return world.oracle.brings(deed, id, place);
}

/** Null = nothing was added, for a reason that had to be expected: the transaction goes on without it. */
function unlessRefused<T>(session: TransactionSession, add: () => T): T | null {
  try {
    return add();
  } catch (error) {
    const isExpected =
      error instanceof LeaseLostError ||
      error instanceof FencedError ||
      error instanceof ClosedError;
    const isTaken = isPositionConflict(error);
    if (!isTaken && (!isExpected || !session.isExplained(error))) throw error;
    session.world.tally.add(isTaken ? 'takenPartitions' : 'refusedCalls');
    return null;
  }
}

/** Another transaction has a position of the partition, or somebody has committed what is behind. */
function isPositionConflict(error: unknown): boolean {
  return error instanceof ConflictError && error.details.kind === 'position';
}
