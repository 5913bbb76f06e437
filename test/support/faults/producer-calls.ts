/** What a producer sends to a topic and an exchange while calls of the disk fail, and what must be there then. */
import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict';

import { utf8 } from '../../../src/codec/codec.ts';
import { FailedError, IoError, StoreError } from '../../../src/core/errors.ts';
import type { Exchange } from '../../../src/routing/exchange.ts';
import type { Producer } from '../../../src/store/producer.ts';
import type { Store } from '../../../src/store/store.ts';
import type { StoreTopic } from '../../../src/store/store-topic.ts';
import { StoreDisk } from '../store-disk.ts';
import type { Told } from './told-outcome.ts';

/** Of the life before. */
const OLD_COUNT = 4;
/** First sequences of the calls that append, and how many each has. */
const APPENDS = [
  [4, 1],
  [5, 1],
  [6, 3],
] as const;
const COUNT = 9;
const PUBLISHED = 2;
/** Small, so that logs roll meanwhile. */
const TOPIC = { codec: utf8, partitions: 2, segmentBytesMax: 4096 } as const;

export interface ProducerLife {
  readonly store: Store;
  readonly topic: StoreTopic<string>;
  readonly letters: StoreTopic<string>;
  readonly events: Exchange<string, string>;
}

/** Opens what is there. */
export async function producerLife(store: Store): Promise<ProducerLife> {
  const topic = await store.topic('t', TOPIC);
  const letters = await store.topic('letters', { codec: utf8 });
  const events = await store.exchange('events', { type: 'fanout', codec: utf8 });
  return { store, topic, letters, events };
}

/** A store in which a producer has sent something before: closed, everything on the disk. */
export async function prepareProducerCalls(): Promise<StoreDisk> {
  const disk = await StoreDisk.make();
  const life = await producerLife(await disk.open());
  await life.events.bind('letters');
  const producer = await life.store.producer('p');
  for (let sequence = 0; sequence < OLD_COUNT; sequence++) await append(life, producer, sequence);
  await publish(life, producer, 0);
  await life.store.close();
  return disk;
}

function recordOf(sequence: number) {
  return { value: String(sequence), headers: { pad: 'x'.repeat(900) } };
}

function append({ topic }: ProducerLife, producer: Producer, sequence: number, count = 1) {
  const records = Array.from({ length: count }, (_, at) => recordOf(sequence + at));
  return producer.appendBatch(topic, records, { sequence });
}

/** Its copy comes later: a destination that has stopped gets it after the next opening. */
function publish({ events }: ProducerLife, producer: Producer, sequence: number) {
  return producer.publish(events, `letter ${sequence}`, { sequence });
}

/** By sequence of a call, or `letter` and its own: what its caller knows. */
export type Knowledge = Map<string, Told>;

/** Begins to produce, asks where that was, and sends everything at once. */
export async function sendAtOnce(life: ProducerLife): Promise<Knowledge> {
  const knowledge: Knowledge = new Map();
  const producer = await heard(knowledge, [], () => life.store.producer('p'));
  if (producer === null) return knowledge;
  await heard(knowledge, [], () => producer.last(life.topic));
  await Promise.all([
    ...APPENDS.map(([first, count]) => {
      return heard(knowledge, namesOf(first, count), () => append(life, producer, first, count));
    }),
    heard(knowledge, ['letter 1'], () => publish(life, producer, 1)),
  ]);
  return knowledge;
}

/** Sends again, one by one, what is not known to be stored. */
export async function sendAgain(life: ProducerLife, knowledge: Knowledge): Promise<void> {
  const producer = await heard(knowledge, [], () => life.store.producer('p'));
  if (producer === null) return;
  for (const [first, count] of APPENDS) {
    const names = namesOf(first, count);
    if (names.every((name) => knowledge.get(name) === 'done')) continue;
    await heard(knowledge, names, () => append(life, producer, first, count));
  }
  if (knowledge.get('letter 1') === 'done') return;
  await heard(knowledge, ['letter 1'], () => publish(life, producer, 1));
}

function namesOf(first: number, count: number): readonly string[] {
  return Array.from({ length: count }, (_, at) => String(first + at));
}

/** @returns null when it failed */
async function heard<R>(
  knowledge: Knowledge,
  names: readonly string[],
  call: () => Promise<R>,
): Promise<R | null> {
  try {
    const result = await call();
    for (const name of names) knowledge.set(name, 'done');
    return result;
  } catch (error) {
    ok(error instanceof StoreError, String(error));
    const inPart = error instanceof IoError && (error.details.appendedCount ?? 0) > 0;
    const isUnknown = inPart || (error instanceof FailedError && error.details.indeterminate);
    for (const name of names) {
      // What an earlier call left open stays so, whatever a later one did.
      if (isUnknown || !knowledge.has(name)) knowledge.set(name, isUnknown ? 'unknown' : 'nothing');
    }
    return null;
  }
}

async function valuesIn(topic: StoreTopic<string>): Promise<readonly string[]> {
  const values: string[] = [];
  for await (const { value } of topic.records()) values.push(value ?? '');
  return values.toSorted((one, other) => (one < other ? -1 : 1));
}

/**
 * Opens what is left, compares it with what callers know, and sends everything once more.
 *
 * @throws Error that says what is wrong
 */
export async function checkProducerCalls(disk: StoreDisk, knowledge: Knowledge): Promise<void> {
  const life = await producerLife(await disk.open());
  const found = await valuesIn(life.topic);
  strictEqual(new Set(found).size, found.length, `${found.join()} once each`);
  for (const [name, told] of knowledge) {
    if (name.startsWith('letter')) continue;
    if (told !== 'unknown') strictEqual(found.includes(name), told === 'done', `${name}: ${told}`);
  }
  const producer = await life.store.producer('p');
  const { sequence, resumeFrom } = await producer.last(life.topic);
  strictEqual(sequence, Math.max(...found.map(Number)));
  for (let number = 0; number < resumeFrom; number++) ok(found.includes(String(number)));
  const { sequence: published } = await producer.last(life.events);
  const letter = knowledge.get('letter 1');
  if (letter === 'done') strictEqual(published, 1);
  if (letter === 'nothing') strictEqual(published, 0);
  for (let number = 0; number < COUNT; number++) {
    const { duplicateCount } = await append(life, producer, number);
    strictEqual(duplicateCount === 1, found.includes(String(number)), `${number} a duplicate`);
  }
  for (let number = 0; number < PUBLISHED; number++) {
    const how = { sequence: number, confirm: 'routed' } as const;
    const { duplicate } = await producer.publish(life.events, `letter ${number}`, how);
    strictEqual(duplicate, number <= (published ?? -1), `letter ${number} a duplicate`);
  }
  deepStrictEqual(await valuesIn(life.topic), namesOf(0, COUNT));
  deepStrictEqual(await valuesIn(life.letters), ['letter 0', 'letter 1']);
  await life.store.close();
}
