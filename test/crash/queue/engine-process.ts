/**
 * The process that holds the queue, with 4 producers and 8 consumers in it: they send, and they
 * acknowledge, fail, release, reject, renew, hang past their lease, answer too late, answer twice,
 * block the event loop, meet a full disk and a clock that is set, and kill the process. Each event of the history goes to stdout before
 * anything follows from it.
 *
 * `node dist/test/crash/queue/engine-process.js JSON`. The last life only drains: nothing is sent,
 * consumers acknowledge everything, the dead-letter queue is read, and the process closes.
 */
import { writeSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { SeededRandom } from '../../../src/index.ts';
import { randomBelow } from '../../../src/core/random.ts';
import { nowMs } from '../../support/queue-check/shared-clock.ts';
import { DISK_FULL } from '../../support/queue-check/lease-facts.ts';
import { isRefusal } from '../../support/queue-check/outcomes.ts';
import { formatEvent, type QueueEvent, type Verb } from '../../support/queue-check/history.ts';
import type { HeldRecord } from '../../support/queue-check/tested-queue.ts';
import type { EngineOptions } from './engine-options.ts';
import { openQueue } from './queue-under-test.ts';

const PRODUCERS = 4;
const CONSUMERS = 8;
const KEYS = 20;
const ACQUIRE_MAX = 8;
const WAIT_MS = 40;
/** Late and second answers come from among so many deliveries. */
const REMEMBERED = 50;
const OVERSIZE = 2_000_000;
/** The wall clock is set every now and then, and is wrong by so much at most. */
const CLOCK_PAUSE_MS_MAX = 800;
const CLOCK_OFFSET_MS_MAX = 4000;
/** The disk is full for so long, each time, after so long. */
const FULL_MS_MAX = 300;
const ROOM_MS_MAX = 1500;

/** Without the stamp, which is put on here. */
type Told = QueueEvent extends infer E
  ? E extends QueueEvent
    ? Omit<E, 'life' | 'atMs'>
    : never
  : never;

const options = JSON.parse(process.argv[2] ?? '{}') as EngineOptions;
const { life, leaseMs, isDraining } = options;
const random = new SeededRandom(options.seed * 1000 + life);
const remembered: HeldRecord[] = [];
/** What goes on beside the loops of the consumers. */
const inBackground = new Set<Promise<void>>();
const over = new AbortController();
let calls = 0;
let isDiskFull = false;
let wallOffsetMs = 0;

function tell(event: Told): void {
  writeSync(1, formatEvent({ ...event, life, atMs: nowMs() }));
}

function chance(oneIn: number): boolean {
  return randomBelow(random, oneIn) === 0;
}

const queue = await openQueue(options.kind, {
  ...options,
  consumers: CONSUMERS,
  onStall: (ms) => tell({ type: 'stalled', ms }),
  wallMs: () => Date.now() + wallOffsetMs,
  isDiskFull: () => isDiskFull,
});

async function produce(producer: number): Promise<void> {
  for (let count = 0; !over.signal.aborted; count++) {
    // A handler that gets such a record kills the process.
    const isPoisonous = options.isPoisoned && producer === 0 && count === 0;
    const id = `${life}.${producer}.${count}${isPoisonous ? '!' : ''}`;
    const key = 'k'.repeat(1 + randomBelow(random, KEYS));
    const length = chance(40) ? OVERSIZE : 0;
    const payload = `payload of ${id}`;
    tell({ type: 'send-invoked', id, key, payload });
    try {
      const place = await queue.send({ id, key, payload: payload.padEnd(length, '.') });
      tell({ type: 'send-ended', id, outcome: 'ok', place });
    } catch (error) {
      const { code, outcome } = refusalOf(error);
      tell({ type: 'send-ended', id, outcome, code });
    }
    await pause(randomBelow(random, options.sendPauseMsMax));
  }
}

function refusalOf(error: unknown): { code: string; outcome: 'failed' | 'indeterminate' } {
  const { code = String(error) } = error as { code?: string };
  return { code, outcome: isRefusal(code) ? 'failed' : 'indeterminate' };
}

/** Makes one call and tells what came of it. */
async function settle(
  verb: Verb,
  held: HeldRecord,
  details: { readonly isFailed: boolean; readonly delayMs: number } = {
    isFailed: false,
    delayMs: 0,
  },
): Promise<void> {
  const call = ++calls;
  const { token } = held;
  tell({ type: 'settle-invoked', call, verb, token, ...(verb === 'release' ? details : {}) });
  try {
    await (verb === 'release' ? held.release(details) : held[verb]());
    tell({ type: 'settle-ended', call, outcome: 'ok' });
  } catch (error) {
    tell({ type: 'settle-ended', call, ...refusalOf(error) });
  }
}

async function consume(consumer: number): Promise<void> {
  while (!over.signal.aborted) {
    const max = 1 + randomBelow(random, ACQUIRE_MAX);
    const all = await acquire(consumer, max);
    for (const held of all) note(held, consumer);
    for (const held of all) handle(held);
    await pause(randomBelow(random, 10));
  }
}

async function acquire(consumer: number, max: number): Promise<HeldRecord[]> {
  try {
    return await queue.acquire({ consumer, max, waitMs: WAIT_MS });
  } catch (error) {
    if (refusalOf(error).code === DISK_FULL) return []; // No attempt can be journaled.
    throw error;
  }
}

function note(held: HeldRecord, consumer: number): void {
  const { id, key, payload, attempt, failures, expiries, crashes, token } = held;
  const content = { id, key, payload, attempt, failures, expiries, crashes };
  tell({ type: 'delivered', ...content, token, consumer });
  held.signal.addEventListener('abort', () => tell({ type: 'lease-lost', token }), { once: true });
  remembered[randomBelow(random, REMEMBERED)] = held;
}

function handle(held: HeldRecord): void {
  if (!isDraining && held.id.endsWith('!')) process.kill(process.pid, 'SIGKILL');
  if (!isDraining && chance(options.blockOneIn)) block();
  const work = isDraining ? settle('ack', held) : behave(held);
  inBackground.add(work);
  void work.finally(() => inBackground.delete(work));
}

/** Nothing else runs for three leases. */
function block(): void {
  const fromMs = nowMs();
  while (nowMs() < fromMs + 3 * leaseMs);
  tell({ type: 'blocked', fromMs });
}

async function behave(held: HeldRecord): Promise<void> {
  const kind = randomBelow(random, 100);
  await pause(randomBelow(random, 30));
  const delayMs = chance(2) ? randomBelow(random, 300) : 0;
  if (kind < 62) await settle('ack', held);
  else if (kind < 70) await settle('release', held, { isFailed: true, delayMs });
  else if (kind < 76) await settle('release', held, { isFailed: false, delayMs });
  else if (kind < 80) await settle('reject', held);
  else if (kind < 84) await Promise.all([settle('ack', held), settle('release', held)]);
  else if (kind < 88) await settleTwice(held);
  else if (kind < 92) await answerLate();
  else if (kind < 96) await renewAndAck(held);
  else if (kind < 98) await hang(held);
  // The rest is forgotten, and its lease expires.
}

async function settleTwice(held: HeldRecord): Promise<void> {
  await settle(chance(3) ? 'ack' : 'release', held);
  await pause(randomBelow(random, 60));
  await settle(chance(2) ? 'ack' : 'reject', held);
}

/** The own record is forgotten; another one, whose lease may have ended long ago, is answered. */
async function answerLate(): Promise<void> {
  const other = remembered[randomBelow(random, REMEMBERED)];
  if (other !== undefined) await settle(chance(2) ? 'ack' : 'renew', other);
}

async function renewAndAck(held: HeldRecord): Promise<void> {
  for (let times = 0; times < 2; times++) {
    await pause(leaseMs * 0.6);
    await settle('renew', held);
  }
  await settle('ack', held);
}

async function hang(held: HeldRecord): Promise<void> {
  await pause(leaseMs * 1.5);
  await settle('ack', held);
}

async function fillDisk(): Promise<void> {
  while (!over.signal.aborted) {
    await pause(randomBelow(random, ROOM_MS_MAX));
    isDiskFull = true;
    await pause(randomBelow(random, FULL_MS_MAX));
    isDiskFull = false;
  }
}

async function setClock(): Promise<void> {
  while (!over.signal.aborted) {
    await pause(randomBelow(random, CLOCK_PAUSE_MS_MAX));
    const offsetMs = randomBelow(random, 2 * CLOCK_OFFSET_MS_MAX) - CLOCK_OFFSET_MS_MAX;
    tell({ type: 'clock-set', offsetMs });
    wallOffsetMs = offsetMs;
  }
}

async function drain(): Promise<void> {
  while (!(await queue.isSettled()) || inBackground.size > 0) await pause(20);
  over.abort();
}

async function bury(): Promise<void> {
  for (;;) {
    const wasOver = over.signal.aborted;
    for (const letter of await queue.readDeadLetters()) tell({ type: 'dead', ...letter });
    if (wasOver) return;
    await pause(100);
  }
}

const consumers = Array.from({ length: CONSUMERS }, (_, at) => consume(at));
const burying = bury();
if (!isDraining) void Promise.all([fillDisk(), setClock()]);
if (!isDraining) await Promise.all(Array.from({ length: PRODUCERS }, (_, at) => produce(at)));
await drain();
await Promise.all([...consumers, burying]);
tell({ type: 'drained' });
await queue.close();
process.exit(0);
