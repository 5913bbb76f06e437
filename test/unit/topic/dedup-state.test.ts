/** Since when ids count in a topic, and what their fingerprints mean. */
import { expect, test } from 'vitest';

import { Fold } from '../../../src/journal/fold.ts';
import { REDUCERS } from '../../../src/store/store-state.ts';
import { dedupBegins, dedupBegun } from '../../../src/topic/dedup-state.ts';
import { topicCreated, topicDeleted, topicDeleting } from '../../../src/topic/topic-state.ts';
import { settingsOf } from '../../support/journal-history.ts';

const FIRST = {
  topicId: 5,
  by: 'id',
  scope: 'topic',
  seed: 77,
  logs: [
    { logId: 50, offset: 9 },
    { logId: 51, offset: 0 },
  ],
  timeMs: 1,
} as const;

function begun({ logs, ...first } = FIRST) {
  const fold = new Fold(REDUCERS);
  const options = settingsOf(1, 1);
  const created = { topicId: 5, name: 't', logIds: [50, 51], options, timeMs: 1 };
  fold.apply({ type: topicCreated, value: created }, 0);
  fold.apply({ type: dedupBegun, value: { ...first, logs: [...logs] } }, 1);
  return fold;
}

test('what was said last counts, and logs that it does not name begin at 0', () => {
  const fold = begun();
  const { topicId: _topicId, ...state } = FIRST;
  const logs = new Map([[50, 9], [51, 0]]); // prettier-ignore
  expect(fold.get(dedupBegins, '5')).toEqual({ ...state, logs });
  const again = { topicId: 5, by: 'content', scope: 'key', seed: 78, timeMs: 2 } as const;
  fold.apply({ type: dedupBegun, value: { ...again, logs: [{ logId: 50, offset: 12 }] } }, 2);
  expect(fold.get(dedupBegins, '5')).toEqual({
    by: 'content',
    scope: 'key',
    seed: 78,
    logs: new Map([[50, 12]]),
    timeMs: 2,
  });
  expect(fold.get(dedupBegins, '6')).toBeNull();
});

test('it goes with its topic, and is no misfit where there is none', () => {
  const fold = begun();
  expect(fold.apply({ type: topicDeleting, value: { topicId: 5, timeMs: 3 } }, 2)).toBeNull();
  expect(fold.get(dedupBegins, '5')).toBeNull();
  // Somebody began meanwhile.
  fold.apply({ type: dedupBegun, value: { ...FIRST, logs: [] } }, 3);
  expect(fold.apply({ type: topicDeleted, value: { topicId: 5 } }, 4)).toBeNull();
  expect(fold.get(dedupBegins, '5')).toBeNull();
});
