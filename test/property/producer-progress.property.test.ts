/** The state of a producer against plain arrays: appends, refusals, syncs, power cuts, notes. */
import * as fc from 'fast-check';
import { describe, test } from 'vitest';

import { present } from '../../src/core/assert.ts';
import type { SequenceRun } from '../../src/format/produced-extension.ts';
import type { Flight } from '../../src/topic/producer-flight.ts';
import { ProducerProgress } from '../../src/topic/producer-progress.ts';
import { SequenceSet, spansOf } from '../../src/topic/sequence-set.ts';
import { manyExamples } from '../support/property.ts';

const PARTITIONS = 3;
/** Of each partition: where they stand is told. */
const PLACED_BATCHES = 5;
const SETTLED = Promise.resolve();

function sequencesOf({ spans }: Flight): readonly number[] {
  return spans.flatMap(({ first, last }) =>
    Array.from({ length: last - first + 1 }, (_, at) => first + at),
  );
}

/** A batch in a log, as its extension tells of it. */
interface Batch {
  readonly baseOffset: number;
  readonly sequences: readonly number[];
  readonly confirmed: number;
}

interface ModelLog {
  batches: Batch[];
  durable: number;
  noted: number;
  /** Numbers of its last batches, since a power cut. */
  last: (readonly number[])[];
}

interface Step {
  readonly kind: 'send' | 'retry' | 'sync' | 'settle' | 'note' | 'trim' | 'cut' | 'kill';
  readonly partition: number;
  readonly count: number;
  readonly skip: number;
  readonly refused: boolean;
}

const steps = fc.array(
  fc.record<Step>({
    kind: fc.constantFrom(
      'send',
      'send',
      'send',
      'retry',
      'retry',
      'sync',
      'settle',
      'settle',
      'note',
      'trim',
      'cut',
      'kill',
    ),
    partition: fc.nat(PARTITIONS - 1),
    count: fc.integer({ min: 1, max: 5 }),
    skip: fc.nat(2),
    refused: fc.boolean(),
  }),
  { maxLength: 60, size: 'max' },
);

class World {
  progress = new ProducerProgress();
  readonly logs: ModelLog[] = Array.from({ length: PARTITIONS }, () => ({
    batches: [],
    durable: 0,
    noted: 0,
    last: [],
  }));
  /** Offsets by sequence, of those that are in a log or were, until a power cut took them. */
  readonly stored = new Map<number, { readonly partition: number; readonly offset: number }>();
  /** Refused on their way, and not sent since. */
  readonly refused = new Set<number>();
  flights: { readonly flight: Flight; readonly refused: boolean; readonly isBehind: boolean }[] =
    [];
  note: ReturnType<ProducerProgress['note']> = { confirmed: 0, runs: [] };
  sent = -1;
  readonly durableOf = (partition: number) => this.logs[partition]?.durable ?? 0;

  log(partition: number): ModelLog {
    return present(this.logs[partition], 'there are so many');
  }

  end(partition: number): number {
    const last = this.log(partition).batches.at(-1);
    return last === undefined ? this.log(partition).noted : last.baseOffset + last.sequences.length;
  }

  send(partition: number, sequences: readonly number[], refused: boolean): void {
    const inFlight = this.flights.flatMap(({ flight }) => sequencesOf(flight));
    if (sequences.some((one) => inFlight.includes(one))) return;
    const fresh = sequences.filter((sequence) => {
      const isStored = this.progress.isStored(sequence);
      const isKnown = this.stored.has(sequence);
      if (isKnown && !isStored) throw new Error(`${sequence} is stored, and would be again`);
      if (isStored && !isKnown && sequence > this.sent) {
        throw new Error(`${sequence} was never sent, and counts as stored`);
      }
      return !isStored;
    });
    const [first] = fresh;
    if (first === undefined) return;
    // What is refused takes back all behind it in that log, as a full disk does.
    const isBehind = this.flights.some((one) => one.refused && one.flight.partition === partition);
    const waiting = this.flights.filter(({ flight }) => flight.partition === partition);
    const last = waiting.at(-1)?.flight;
    const baseOffset =
      last === undefined ? this.end(partition) : last.baseOffset + sequencesOf(last).length;
    const sent = { partition, baseOffset, spans: spansOf(fresh) };
    const flight = this.progress.begin(sent, { settled: SETTLED, isGapless: true });
    for (const sequence of fresh) this.refused.delete(sequence);
    this.flights.push({ flight, refused: refused || isBehind, isBehind });
    this.sent = Math.max(this.sent, fresh.at(-1) ?? 0);
  }

  /**
   * Those of one log that were sent first are answered.
   *
   * @param count  of what is refused one less than so many stand; of what is behind that, nothing
   */
  settle(partition: number, count: number): void {
    const at = this.flights.findIndex(({ flight }) => flight.partition === partition);
    const [next] = at < 0 ? [] : this.flights.splice(at, 1);
    if (next === undefined) return;
    const { flight, refused, isBehind } = next;
    const { baseOffset } = flight;
    const sent = sequencesOf(flight);
    const storedCount = isBehind ? 0 : refused ? Math.min(count, sent.length) - 1 : sent.length;
    const sequences = sent.slice(0, storedCount);
    if (storedCount > 0) {
      const confirmed = this.progress.confirmed(this.durableOf);
      const log = this.log(partition);
      log.batches.push({ baseOffset, sequences, confirmed });
      log.last = [...log.last, sequences].slice(-PLACED_BATCHES);
      for (const [delta, sequence] of sequences.entries()) {
        this.stored.set(sequence, { partition, offset: baseOffset + delta });
      }
    }
    for (const sequence of sent.slice(storedCount)) this.refused.add(sequence);
    this.progress.end(flight, storedCount);
  }

  /** Notes, and says of each log how far it tells all. */
  noteNow(): void {
    this.note = this.progress.note(this.durableOf);
    for (const [partition, log] of this.logs.entries()) {
      const open = this.progress.openOffset(partition, this.durableOf);
      log.noted = Math.max(log.noted, Math.min(log.durable, open));
    }
  }

  /** The process ends; a power cut takes what is not synced. */
  restart(isCut: boolean): void {
    for (const log of this.logs) {
      const isKept = ({ baseOffset, sequences }: Batch) =>
        !isCut || baseOffset + sequences.length <= log.durable;
      for (const batch of log.batches) {
        if (!isKept(batch)) for (const sequence of batch.sequences) this.stored.delete(sequence);
      }
      log.batches = log.batches.filter(isKept);
      if (isCut) log.last = [];
    }
    this.flights = [];
    this.refused.clear(); // No log tells of it.
    this.progress = new ProducerProgress();
    this.progress.restoreNote(this.note);
    for (const [partition, log] of this.logs.entries()) {
      for (const { baseOffset, sequences, confirmed } of log.batches) {
        if (baseOffset + sequences.length <= log.noted) continue;
        this.progress.restoreBatch(
          { partition, baseOffset },
          { confirmed, runs: runsOf(sequences) },
        );
        const nextOffset = baseOffset + sequences.length;
        if (nextOffset <= log.durable) continue;
        const spans = spansOf(sequences);
        this.progress.foundUnsynced({ partition, baseOffset, nextOffset, spans });
      }
    }
  }

  /** What is stored is known, and what is not is not. */
  check(): void {
    const confirmed = this.progress.confirmed(this.durableOf);
    for (let sequence = 0; sequence <= this.sent; sequence++) {
      const place = this.stored.get(sequence);
      const isStored = this.progress.isStored(sequence);
      if (isStored !== (place !== undefined)) {
        throw new Error(`${sequence}: stored ${place !== undefined}, known as ${isStored}`);
      }
      const told = this.progress.placeOf(sequence);
      if (told === null) continue;
      if (told.partition !== place?.partition || told.offset !== place.offset) {
        throw new Error(`${sequence} is told to be elsewhere`);
      }
    }
    for (const sequence of this.logs.flatMap(({ last }) => last.flat())) {
      if (this.progress.placeOf(sequence) === null) throw new Error(`${sequence}: told nowhere`);
    }
    for (let sequence = 0; sequence < confirmed; sequence++) {
      const place = this.stored.get(sequence);
      if (place === undefined || place.offset >= this.durableOf(place.partition)) {
        throw new Error(`${sequence} is confirmed, and not synced`);
      }
    }
    const refused: number[] = [];
    for (
      let at = this.progress.refusedFrom(0);
      at !== null;
      at = this.progress.refusedFrom(at + 1)
    ) {
      refused.push(at);
    }
    const expected = [...this.refused].toSorted((one, two) => one - two);
    if (refused.join() !== expected.join()) throw new Error(`refused: ${expected.join()}`);
    const highest = Math.max(-1, ...this.stored.keys());
    if (this.progress.lastStored !== highest) throw new Error(`the last is not ${highest}`);
  }
}

function runsOf(sequences: readonly number[]): readonly SequenceRun[] {
  let index = 0;
  return spansOf(sequences).map(({ first, last }) => {
    const count = last - first + 1;
    index += count;
    return { sequence: first, index: index - count, count };
  });
}

function take(world: World, { kind, partition, count, skip, refused }: Step): void {
  const log = world.log(partition);
  const many = (first: number) => Array.from({ length: count }, (_, at) => first + at);
  switch (kind) {
    case 'send':
      world.send(partition, many(world.progress.last + 1), refused && skip === 0);
      break;
    case 'retry':
      world.send(partition, many(Math.max(0, world.sent - count * skip)), refused && skip === 0);
      break;
    case 'sync':
      log.durable = Math.max(log.durable, world.end(partition));
      break;
    case 'settle':
      world.settle(partition, count);
      break;
    case 'note':
      world.noteNow();
      break;
    case 'trim':
      world.noteNow();
      log.batches = log.batches.filter(
        ({ baseOffset, sequences }) => baseOffset + sequences.length > log.noted,
      );
      break;
    case 'cut':
    case 'kill':
      world.restart(kind === 'cut');
  }
}

describe('ProducerProgress', () => {
  test('knows what is stored, and no more, whatever is refused, noted, trimmed or lost', () => {
    const property = fc.property(steps, (all) => {
      const world = new World();
      for (const step of all) {
        take(world, step);
        world.check();
      }
    });
    fc.assert(property, manyExamples(300));
  });
});

describe('SequenceSet', () => {
  test('holds what a set of numbers holds', () => {
    const change = fc.record({
      isAdded: fc.boolean(),
      first: fc.nat(30),
      length: fc.integer({ min: 0, max: 8 }),
    });
    const property = fc.property(fc.array(change, { maxLength: 30, size: 'max' }), (changes) => {
      const set = new SequenceSet();
      const model = new Set<number>();
      for (const { isAdded, first, length } of changes) {
        const last = first + length - 1;
        if (isAdded) set.add({ first, last });
        else set.delete({ first, last });
        for (let each = first; each <= last; each++) {
          if (isAdded) model.add(each);
          else model.delete(each);
        }
        const expected = spansOf([...model].toSorted((one, two) => one - two));
        if (JSON.stringify(set.spans) !== JSON.stringify(expected)) throw new Error('they differ');
        for (let each = 0; each < 40; each++) {
          if (set.has(each) !== model.has(each)) throw new Error(`${each} is wrong`);
          let gap = each;
          while (model.has(gap)) gap++;
          if (set.gapFrom(each) !== gap) throw new Error(`the gap from ${each} is not ${gap}`);
          let next = each;
          while (next < 40 && !model.has(next)) next++;
          if (set.firstFrom(each) !== (next < 40 ? next : null)) throw new Error(`no: ${next}`);
        }
      }
    });
    fc.assert(property, manyExamples(300));
  });
});
