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
});
