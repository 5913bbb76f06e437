/**
 * Kills a process that publishes at full rate while a new binding gets the past, on the real disk: every
 * destination gets each record that is its business once, in the order of the source, and nothing else.
 *
 * `VARVE_ROUTING_KILLS` sets the number of kills (default 20), `SEED` the moments.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { openStore, SeededRandom, utf8 } from '../../src/index.ts';
import type { Store } from '../../src/index.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { CONSTANT_TOPICS, lateTopic, patternOf, takes } from './routed-record.ts';

const KILLS = Number(process.env['VARVE_ROUTING_KILLS'] ?? 20);
const SEED = Number(process.env['SEED'] ?? 1 + Math.floor(Math.random() * 1e6));
const CHILD = join(import.meta.dirname, '..', '..', 'dist', 'test', 'crash', 'routing-child.js');
/** After the binding a process lives for up to so many ms more; every third dies before. */
const LIFE_MS_MAX = 60;

interface Life {
  /** Numbers of acknowledged records by their offset in the source. */
  readonly acked: ReadonlyMap<number, string>;
  readonly isBound: boolean;
  /** Bindings that the one before had not given all of the past. */
  readonly unendedCount: number;
}

async function runAndKill(args: readonly string[], delayMs: number, word: string): Promise<Life> {
  const child = spawn(process.execPath, [CHILD, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  let complaints = '';
  const heard = new Promise<void>((resolve) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      if (said.includes(word)) resolve();
    });
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaints += text));
  const closed = new Promise<NodeJS.Signals | null>((resolve) => {
    child.on('close', (_code, signal) => resolve(signal));
  });
  await Promise.race([heard.then(() => pause(delayMs)), closed]);
  child.kill('SIGKILL');
  expect(await closed, complaints).toBe('SIGKILL');
  // The last line may be cut: only what ends was said.
  const lines = said.slice(0, said.lastIndexOf('\n') + 1).split('\n');
  const acked = lines
    .map((line) => line.split(' '))
    .filter(([what]) => what === 'ack')
    .map(([, offset, number]): [number, string] => [Number(offset), String(number)]);
  const unendedCount = Number(/^open \d+ (\d+)$/mu.exec(said)?.[1]);
  const isBound = lines.some((line) => line.startsWith('bound '));
  return { acked: new Map(acked), isBound, unendedCount };
}

interface Published {
  readonly value: string | null;
  readonly key: string;
}

/** What the source holds, by offset. */
async function sourceOf(store: Store): Promise<ReadonlyMap<number, Published>> {
  const decoder = new TextDecoder();
  const topic = await store.topic('exchange:events', { codec: utf8 });
  const published = new Map<number, Published>();
  for await (const batch of topic.batches()) {
    for (const { offset, value, headers } of batch) {
      published.set(offset, { value, key: decoder.decode(headers.get('varve-routing-key')) });
    }
  }
  return published;
}

/** Waits until everything is projected; a failure of it ends the wait. */
async function projected(store: Store): Promise<void> {
  const events = await store.exchange('events');
  for (;;) {
    const { destinations, endOffset } = await events.stats();
    const isDone = destinations.every(
      ({ position, bindingId }) => position === endOffset && bindingId === null,
    );
    if (isDone && destinations.length > 0) return;
    // One that is slow on this machine is behind for a moment; nothing else may be wrong.
    const { problems } = store.health();
    expect(problems.filter(({ code }) => code !== 'projection-behind')).toEqual([]);
    await pause(20);
  }
}

/** Compares a destination with a filter of the source. @returns how many records it has */
async function check(
  store: Store,
  source: ReadonlyMap<number, Published>,
  { name, pattern }: { readonly name: string; readonly pattern: string },
): Promise<number> {
  const topic = await store.topic(name, { codec: utf8, create: false });
  const wanted = [...source].filter(([, { key }]) => takes(pattern, key));
  const found = new Map<number, string | null>();
  for (let partition = 0; partition < topic.partitionCount; partition++) {
    // The past and what is published from then on are two streams, each in the order of the source.
    const last = { past: -1, live: -1 };
    const offsets: number[] = [];
    for await (const batch of topic.batches({ partitions: partition })) {
      for (const { cause, value } of batch) {
        if (cause?.kind !== 'projected') throw new Error(`SEED=${SEED}: ${name} has a stranger`);
        expect(found.has(cause.offset), `SEED=${SEED}: ${name} has ${cause.offset} twice`).toBe(
          false,
        );
        found.set(cause.offset, value);
        offsets.push(cause.offset);
      }
    }
    for (const offset of offsets) {
      if (offset > last.live) last.live = offset;
      else {
        expect(offset, `SEED=${SEED}: ${name} is out of order`).toBeGreaterThan(last.past);
        last.past = offset;
      }
    }
  }
  const inOrder = [...found].toSorted(([one], [two]) => one - two);
  expect(inOrder, `SEED=${SEED}: ${name}`).toEqual(
    wanted.map(([offset, { value }]) => [offset, value]),
  );
  return found.size;
}

test(`${KILLS} kills while bindings get the past lose and repeat nothing (SEED=${SEED})`, async () => {
  expect(existsSync(CHILD), 'npm run build comes first').toBe(true);
  const random = new SeededRandom(SEED);
  const directory = join(await temporaryDirectory(), 'store');
  const acked = new Map<number, string>();
  const bound: number[] = [];
  let goneOnCount = 0;
  for (let life = 0; life < KILLS; life++) {
    const word = life % 3 === 2 ? 'ack' : 'bound';
    const args = [directory, String(life)];
    const lived = await runAndKill(args, random.next() * LIFE_MS_MAX, word);
    for (const [offset, number] of lived.acked) acked.set(offset, number);
    if (lived.isBound) bound.push(life);
    if (lived.unendedCount > 0) goneOnCount++;
  }
  const store = await openStore(directory);
  await projected(store);
  const source = await sourceOf(store);
  for (const [offset, number] of acked) {
    expect(source.get(offset)?.value, `SEED=${SEED}: offset ${offset}`).toBe(number);
  }
  const counts: number[] = [];
  for (const topic of CONSTANT_TOPICS) counts.push(await check(store, source, topic));
  const bindings = store.exchangeCatalog.bindings('events');
  const topics = store.topics();
  for (let life = 0; life < KILLS; life++) {
    const { topicId } = topics.find(({ name }) => name === lateTopic(life)) ?? {};
    const isThere = bindings.some(({ target }) => target.id === topicId);
    expect(isThere || !bound.includes(life), `SEED=${SEED}: life ${life} is not bound`).toBe(true);
    const late = { name: lateTopic(life), pattern: patternOf(life) };
    if (isThere) counts.push(await check(store, source, late));
  }
  await store.close();
  const sum = counts.reduce((one, two) => one + two, 0);
  const figures = `${KILLS} kills, ${goneOnCount} before a binding had its past`;
  console.log(`SEED=${SEED}: ${figures}, ${source.size} published, ${sum} copies`);
  // A run that hardly published proves nothing.
  expect(acked.size).toBeGreaterThan(KILLS * 20);
  expect(bound.length).toBeGreaterThan(KILLS / 3);
  expect(goneOnCount).toBeGreaterThan(KILLS / 4);
}, 120_000);
