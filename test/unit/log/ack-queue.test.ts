import { describe, expect, test } from 'vitest';

import { AckQueue } from '../../../src/log/ack-queue.ts';
import type { DurabilityLevel } from '../../../src/log/log-options.ts';
import { settle } from '../../support/log-fixture.ts';

/** A queue with a waiter per offset, and what became of each. */
function queueOf(...nextOffsets: readonly number[]) {
  const queue = new AckQueue();
  const answers: [number, DurabilityLevel | Error][] = [];
  const add = (nextOffset: number): void =>
    queue.add({
      baseOffset: nextOffset - 1,
      nextOffset,
      asked: 'os',
      complete: (level: DurabilityLevel) => void answers.push([nextOffset, level]),
      fail: (error: Error) => void answers.push([nextOffset, error]),
    });
  for (const nextOffset of nextOffsets) add(nextOffset);
  return { queue, answers, add };
}

describe('AckQueue', () => {
  test('answers in order, up to and with the offset, each once', () => {
    const { queue, answers } = queueOf(1, 3, 3, 7);
    queue.completeUpTo(0, 'os');
    expect(answers).toEqual([]);
    queue.completeUpTo(3, 'os');
    queue.completeUpTo(3, 'sync');
    queue.completeUpTo(6, 'sync');
    expect(answers.map(([nextOffset]) => nextOffset)).toEqual([1, 3, 3]);
    queue.completeUpTo(100, 'sync');
    expect(answers.map(([nextOffset]) => nextOffset)).toEqual([1, 3, 3, 7]);
    expect(queue.isEmpty).toBe(true);
  });

  test('knows what the last one waits for; 0 when none does', () => {
    const { queue } = queueOf(4, 9);
    expect(queue.lastOffset).toBe(9);
    queue.completeUpTo(4, 'os');
    expect(queue.lastOffset).toBe(9);
    queue.completeUpTo(9, 'os');
    expect(queue.lastOffset).toBe(0);
  });

  test('rejects only those above the offset, and keeps the others waiting', () => {
    const { queue, answers } = queueOf(1, 2, 3, 4);
    const error = new Error('full');
    queue.failAbove(2, () => error);
    expect(answers).toEqual([
      [3, error],
      [4, error],
    ]);
    expect(queue.lastOffset).toBe(2);
    queue.completeUpTo(10, 'os');
    expect(answers.slice(2).map(([nextOffset]) => nextOffset)).toEqual([1, 2]);
  });

  test('rejects each with an error made for it', () => {
    const { queue, answers } = queueOf(1, 2, 3);
    queue.failAbove(1, ({ baseOffset }) => new Error(`of ${baseOffset}`));
    expect(answers.map(([, answer]) => (answer as Error).message)).toEqual(['of 1', 'of 2']);
  });

  test('failAbove after some were answered does not reach those', () => {
    const { queue, answers } = queueOf(1, 2, 3);
    queue.completeUpTo(1, 'os');
    queue.failAbove(-1, () => new Error('gone'));
    expect(answers.map(([nextOffset]) => nextOffset)).toEqual([1, 2, 3]);
    expect(answers[0]?.[1]).not.toBeInstanceOf(Error);
    expect(queue.isEmpty).toBe(true);
  });

  test('a waiter that adds another while it is answered waits its turn', () => {
    const { queue, answers, add } = queueOf();
    queue.add({
      baseOffset: 0,
      nextOffset: 1,
      asked: 'os',
      complete: () => add(2),
      fail: () => undefined,
    });
    queue.completeUpTo(1, 'os');
    expect(queue.lastOffset).toBe(2);
    queue.completeUpTo(2, 'os');
    expect(answers.map(([nextOffset]) => nextOffset)).toEqual([2]);
    expect(queue.isEmpty).toBe(true);
  });

  describe('whose waiter comes back while it is answered', () => {
    /** Of three, the first does `act` when it is answered. */
    function queueActing(act: (queue: AckQueue) => void) {
      const queue = new AckQueue();
      const answers: string[] = [];
      for (const nextOffset of [1, 2, 3]) {
        queue.add({
          baseOffset: nextOffset - 1,
          nextOffset,
          asked: 'sync',
          complete: () => {
            answers.push(`${nextOffset} is there`);
            if (nextOffset === 1) act(queue);
          },
          fail: () => void answers.push(`${nextOffset} failed`),
        });
      }
      return { queue, answers };
    }

    test('answers each once, as when a log is closed by it', () => {
      const { queue, answers } = queueActing((acting) => {
        acting.completeRest();
        acting.completeUpTo(2, 'sync');
      });
      queue.completeInTurns(3);
      expect(answers).toEqual(['1 is there', '2 is there', '3 is there']);
      expect(queue.isEmpty).toBe(true);
    });

    test('rejects those who are left, and answers them no more', () => {
      const { queue, answers } = queueActing((acting) =>
        acting.failAbove(-1, () => new Error('failed')),
      );
      queue.completeUpTo(3, 'sync');
      expect(answers).toEqual(['1 is there', '2 failed', '3 failed']);
      expect(queue.isEmpty).toBe(true);
    });

    test('counts only those who are left', () => {
      const left: number[] = [];
      const { queue } = queueActing((acting) => {
        left.push(acting.lastOffset);
        acting.failAbove(-1, () => new Error('failed'));
        left.push(acting.lastOffset);
      });
      queue.completeUpTo(1, 'sync');
      expect(left).toEqual([3, 0]);
    });
  });

  test('says the stronger of what was reached and what was asked for and is scheduled', () => {
    const queue = new AckQueue();
    const answers: DurabilityLevel[] = [];
    for (const [at, asked] of (['os', 'interval', 'os', 'interval'] as const).entries()) {
      const complete = (level: DurabilityLevel): void => void answers.push(level);
      queue.add({ baseOffset: at, nextOffset: at + 1, asked, complete, fail: () => undefined });
    }
    queue.completeUpTo(2, 'os');
    queue.completeUpTo(4, 'interval');
    expect(answers).toEqual(['os', 'interval', 'interval', 'interval']);
  });

  test('equals a plain list over long runs of adding and answering', () => {
    const { queue, answers, add } = queueOf();
    const expected: number[] = [];
    let next = 0;
    for (let step = 1; step <= 2000; step++) {
      for (let n = 0; n < (step * 7) % 5; n++) add(++next);
      const upTo = next - ((step * 3) % 4);
      queue.completeUpTo(upTo, 'os');
      for (let offset = expected.length + 1; offset <= upTo; offset++) expected.push(offset);
      expect(queue.lastOffset).toBe(expected.length < next ? next : 0);
    }
    expect(answers.map(([nextOffset]) => nextOffset)).toEqual(expected);
    expect(expected.length).toBeGreaterThan(3000);
  });
});

describe('AckQueue.completeInTurns', () => {
  /** A waiter for each 1,000 records, up to `end`. */
  const inThousands = (end: number) =>
    queueOf(...Array.from({ length: end / 1000 }, (_, n) => 1000 * (n + 1)));

  test('answers few at once, and all of many in turns, in order, each once', async () => {
    const { queue, answers } = inThousands(9000);
    queue.completeInTurns(3000);
    expect(answers.map(([nextOffset]) => nextOffset)).toEqual([1000, 2000, 3000]);
    await settle();
    expect(answers).toHaveLength(3);
    queue.completeInTurns(8000);
    expect(answers).toHaveLength(6);
    await settle();
    expect(answers).toEqual([1, 2, 3, 4, 5, 6, 7, 8].map((n) => [1000 * n, 'sync']));
    expect(queue.lastOffset).toBe(9000);
  });

  test('goes on up to the last offset that it was given, with those who came meanwhile', async () => {
    const { queue, answers, add } = inThousands(6000);
    queue.completeInTurns(6000);
    add(7000);
    add(8000);
    queue.completeInTurns(7000);
    await settle();
    expect(answers.map(([nextOffset]) => nextOffset / 1000)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  test('leaves nobody waiting behind a large call', async () => {
    const { queue, answers } = queueOf(50_000, 50_001, 99_000);
    queue.completeInTurns(99_000);
    await settle();
    expect(answers).toHaveLength(3);
    expect(queue.isEmpty).toBe(true);
  });

  test('answers nobody twice who was answered or rejected in between', async () => {
    const { queue, answers } = inThousands(6000);
    queue.completeInTurns(6000);
    queue.completeUpTo(4000, 'sync');
    queue.failAbove(-1, () => new Error('failed'));
    await settle();
    expect(answers).toHaveLength(6);
    expect(answers.slice(4).every(([, answer]) => answer instanceof Error)).toBe(true);
  });

  test('answers the rest at once when asked, and nobody beyond', async () => {
    const { queue, answers } = inThousands(9000);
    queue.completeRest();
    expect(answers).toEqual([]);
    queue.completeInTurns(8000);
    queue.completeRest();
    expect(answers.map(([nextOffset]) => nextOffset / 1000)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    await settle();
    expect(answers).toHaveLength(8);
  });
});
