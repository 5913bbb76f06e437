import { describe, expect, test } from 'vitest';

import { AssertionError } from '../../../src/core/assert.ts';
import { LogMarks } from '../../../src/log/marks.ts';

describe('LogMarks', () => {
  test('begins with everything that was found at the same end', () => {
    expect(new LogMarks({ startOffset: 3, endOffset: 9 })).toMatchObject({
      startOffset: 3,
      syncedOffset: 9,
      visibleOffset: 9,
      writtenOffset: 9,
    });
  });

  test('shows nothing that is not written', () => {
    const marks = new LogMarks({ startOffset: 0, endOffset: 5 });
    expect(() => marks.advanceVisible(6)).toThrow(AssertionError);
    expect(marks.visibleOffset).toBe(5);
  });

  test('wakes each who waits once, at the next move forward, not at one that is none', () => {
    const marks = new LogMarks({ startOffset: 0, endOffset: 5 });
    marks.writtenOffset = 10;
    const woken: string[] = [];
    marks.onVisible(() => woken.push('one'));
    marks.onVisible(() => woken.push('two'));
    marks.advanceVisible(5);
    marks.advanceVisible(4);
    expect(woken).toEqual([]);
    marks.advanceVisible(7);
    marks.advanceVisible(8);
    expect(woken).toEqual(['one', 'two']);
    expect(marks.visibleOffset).toBe(8);
  });

  test('forgets who no longer waits, and takes new ones while waking', () => {
    const marks = new LogMarks({ startOffset: 0, endOffset: 0 });
    const woken: string[] = [];
    const gone = () => woken.push('gone');
    marks.onVisible(gone);
    marks.onVisible(() => {
      woken.push('first');
      marks.onVisible(() => woken.push('second'));
    });
    marks.forget(gone);
    marks.wake();
    expect(woken).toEqual(['first']);
    marks.wake();
    expect(woken).toEqual(['first', 'second']);
  });

  test('what is durable and visible moves with the lower of both, and wakes when it does', () => {
    const marks = new LogMarks({ startOffset: 0, endOffset: 5, syncedOffset: 3 });
    marks.writtenOffset = 20;
    const woken: number[] = [];
    const wait = () => marks.onDurableVisible(() => woken.push(marks.durableVisibleOffset));
    expect(marks.durableVisibleOffset).toBe(3);
    wait();
    marks.advanceVisible(8);
    expect(woken).toEqual([]);
    marks.advanceSynced(6);
    wait();
    marks.advanceJournaled(5); // All of it was synced.
    expect(woken).toEqual([6]);
    marks.advanceJournaled(12);
    wait();
    marks.advanceSynced(12);
    expect(woken).toEqual([6, 8]);
    marks.advanceVisible(20);
    expect(woken).toEqual([6, 8, 12]);
    expect([marks.syncedOffset, marks.durableOffset]).toEqual([12, 12]);
  });

  test('where nothing is visible before it is synced, the sync itself wakes nobody', () => {
    const marks = new LogMarks({ startOffset: 0, endOffset: 0 });
    const woken: string[] = [];
    const wait = () => {
      marks.onVisible(() => woken.push('visible'));
      marks.onDurableVisible(() => woken.push('durable'));
    };
    marks.writtenOffset = 4;
    wait();
    marks.advanceSynced(4);
    expect(woken).toEqual([]);
    marks.advanceVisible(4);
    expect(woken).toEqual(['visible', 'durable']);
    wait();
    marks.advanceVisible(4);
    marks.advanceSynced(4);
    expect(woken).toHaveLength(2);
  });

  test('a cap keeps from those who wait for what is durable, too, what lies behind it', () => {
    const marks = new LogMarks({ startOffset: 0, endOffset: 0 });
    marks.writtenOffset = 9;
    let wakeCount = 0;
    marks.onDurableVisible(() => wakeCount++);
    const cap = marks.cap(0);
    marks.advanceVisible(9);
    marks.advanceSynced(9);
    expect([wakeCount, marks.durableVisibleOffset]).toEqual([0, 0]);
    marks.uncap(cap);
    expect([wakeCount, marks.durableVisibleOffset]).toEqual([1, 9]);
  });

  test('who waits for what is durable is forgotten, and woken with the rest', () => {
    const marks = new LogMarks({ startOffset: 0, endOffset: 0 });
    const woken: string[] = [];
    const gone = () => woken.push('gone');
    marks.onDurableVisible(gone);
    marks.onDurableVisible(() => woken.push('there'));
    marks.forget(gone);
    marks.wake();
    expect(woken).toEqual(['there']);
  });
});
