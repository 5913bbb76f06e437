/** What is noted of producers, and how notes add up. */
import { describe, expect, test } from 'vitest';

import { present } from '../../../src/core/assert.ts';
import type { EntryType } from '../../../src/journal/entry-type.ts';
import { Fold } from '../../../src/journal/fold.ts';
import { REDUCERS } from '../../../src/store/store-state.ts';
import {
  producerDeleted,
  producerNotes,
  producerOpened,
  producers,
  producersNoted,
  type ProducedRun,
} from '../../../src/topic/producer-state.ts';
import { topicCreated, topicDeleted, topicDeleting } from '../../../src/topic/topic-state.ts';
import { settingsOf } from '../../support/journal-history.ts';

class Entries {
  readonly fold = new Fold(REDUCERS);
  #offset = 0;

  /** The very value, as a writer has it applied. */
  apply<E>(type: EntryType<E>, value: E): string | null {
    return this.fold.apply({ type, value }, this.#offset++);
  }

  /** Topic 5. */
  create(): void {
    const options = settingsOf(1, 1);
    this.apply(topicCreated, { topicId: 5, name: 't', logIds: [50], options, timeMs: 1 });
  }

  /** Of topic 5. */
  note(producerId: number, confirmed: number, runs: ProducedRun[], timeMs = 9): void {
    const noted = [{ producerId, confirmed, runs }];
    this.apply(producersNoted, { topicId: 5, logs: [], producers: noted, timeMs });
  }

  get notes() {
    return this.fold.get(producerNotes, '5');
  }
}

function run(first: number, baseOffset: number): ProducedRun {
  return { first, last: first, count: 1, partition: 0, baseOffset };
}

describe('a producer', () => {
  test('is made when it is opened first, and has the highest epoch from then on', () => {
    const entries = new Entries();
    const one = { producerId: 7, name: 'copier' };
    entries.apply(producerOpened, { ...one, epoch: 1, timeMs: 10 });
    entries.apply(producerOpened, { ...one, epoch: 3, timeMs: 20 });
    entries.apply(producerOpened, { ...one, epoch: 2, timeMs: 30 });
    const state = { name: 'copier', epoch: 3, createdTimeMs: 10, openedTimeMs: 30 };
    expect(entries.fold.get(producers, '7')).toEqual(state);
  });

  test('is forgotten in all topics with a note of it, and the offsets stay', () => {
    const entries = new Entries();
    for (const producerId of [7, 8]) {
      entries.apply(producerOpened, { producerId, name: `p${producerId}`, epoch: 1, timeMs: 1 });
      for (const topicId of [5, 6]) {
        const noted = [{ producerId, confirmed: 3, runs: [] }];
        const logs = [{ logId: 50, offset: 4 }];
        entries.apply(producersNoted, { topicId, logs, producers: noted, timeMs: 2 });
      }
    }
    const deleted = { producerId: 7, topicIds: [5, 6, 99], timeMs: 3 };
    expect(entries.apply(producerDeleted, deleted)).toBeNull();
    expect(entries.fold.ids(producers)).toEqual(['8']);
    for (const topicId of ['5', '6']) {
      const notes = entries.fold.get(producerNotes, topicId);
      expect([...(notes?.producers.keys() ?? [])]).toEqual([8]);
      expect(notes?.logs).toEqual(new Map([[50, 4]]));
    }
    expect(entries.fold.get(producerNotes, '99')).toBeNull();
    expect(entries.apply(producerDeleted, deleted)).toBe('producer 7 is not there');
  });
});

describe('notes of a topic', () => {
  test('only grow: offsets and what is confirmed never go back, in whatever order they are said', () => {
    const entries = new Entries();
    const at = (logId: number, offset: number) => ({ logId, offset });
    const say = (...logs: { logId: number; offset: number }[]) =>
      entries.apply(producersNoted, { topicId: 5, logs, producers: [], timeMs: 1 });
    say(at(50, 10), at(51, 4));
    say(at(50, 8), at(52, 0));
    say(at(51, 6));
    expect(entries.notes?.logs).toEqual(new Map([[50, 10], [51, 6], [52, 0]])); // prettier-ignore
    entries.note(7, 12, []);
    entries.note(7, 9, []);
    expect(entries.notes?.producers.get(7)?.confirmed).toBe(12);
  });

  test('have the runs that were noted last, producer by producer', () => {
    const entries = new Entries();
    entries.note(7, 3, [run(3, 30), run(4, 31)], 1);
    entries.note(8, 0, [run(0, 90)], 2);
    entries.note(7, 5, [run(5, 40)], 3);
    expect(entries.notes?.producers).toEqual(
      new Map([
        [7, { confirmed: 5, runs: [run(5, 40)], timeMs: 3 }],
        [8, { confirmed: 0, runs: [run(0, 90)], timeMs: 2 }],
      ]),
    );
  });

  test('are not those of another topic', () => {
    const entries = new Entries();
    entries.note(7, 3, []);
    const noted = [{ producerId: 7, confirmed: 8, runs: [] }];
    entries.apply(producersNoted, { topicId: 6, logs: [], producers: noted, timeMs: 1 });
    expect(entries.notes?.producers.get(7)?.confirmed).toBe(3);
  });

  test('do not change with what their writer does with its own', () => {
    const entries = new Entries();
    const runs = [run(3, 30)];
    entries.note(7, 3, runs);
    const before = entries.fold.hash();
    Object.assign(runs[0] ?? {}, { baseOffset: 31 });
    runs.push(run(4, 40));
    expect(entries.fold.hash()).toBe(before);
  });

  test('are copied at once and encoded in steps, and what changes meanwhile is not in the copy', () => {
    const entries = new Entries();
    const ids = Array.from({ length: 20_000 }, (_, at) => (at * 7_919_000_000_003) % 2 ** 53);
    const logs = [{ logId: 50, offset: 10 }];
    const noted = ids.map((producerId) => ({ producerId, confirmed: 3, runs: [run(3, 30)] }));
    entries.apply(producersNoted, { topicId: 5, logs, producers: noted, timeMs: 9 });
    const before = entries.fold.hash();
    const [copy] = [...entries.fold.copies(() => 0)];
    const { pieces, ...name } = present(copy, 'of the notes');
    const [deleted = 0, changed = 0] = ids;
    entries.apply(producerDeleted, { producerId: deleted, topicIds: [5], timeMs: 10 });
    entries.note(changed, 4, [run(4, 31)]);
    const encoded: Uint8Array[] = [];
    for (let isDone = false; !isDone;) {
      const piece = pieces.next();
      encoded.push(piece.value);
      isDone = piece.done === true;
    }
    // A turn of the event loop may pass between two.
    expect(encoded.length).toBeGreaterThan(4);
    const restored = new Fold(REDUCERS);
    restored.restore({ ...name, state: Buffer.concat(encoded) }, 0);
    expect(restored.hash()).toBe(before);
    expect(entries.fold.hash()).not.toBe(before);
  });

  test('go as soon as the deletion of their topic begins', () => {
    const entries = new Entries();
    entries.create();
    entries.note(7, 3, []);
    expect(entries.apply(topicDeleting, { topicId: 5, timeMs: 3 })).toBeNull();
    expect(entries.notes).toBeNull();
  });

  test('go with the files of their topic, if they came while it went', () => {
    const entries = new Entries();
    entries.create();
    entries.apply(topicDeleting, { topicId: 5, timeMs: 3 });
    entries.note(7, 3, []);
    expect(entries.apply(topicDeleted, { topicId: 5 })).toBeNull();
    expect(entries.notes).toBeNull();
  });

  test('are no misfit where there are none', () => {
    const entries = new Entries();
    entries.create();
    expect(entries.apply(topicDeleting, { topicId: 5, timeMs: 3 })).toBeNull();
    expect(entries.apply(topicDeleted, { topicId: 5 })).toBeNull();
  });
});
