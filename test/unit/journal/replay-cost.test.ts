/** What it costs to find entries again: each may be a batch of its own, and there may be very many. */
import { createHook } from 'node:async_hooks';
import { expect, test } from 'vitest';

import { shareGroupCreated, sharePaused } from '../../../src/queue/share-entries.ts';
import { newShareSettings } from '../../../src/queue/share-settings.ts';
import { JournalBench, type OpenJournal } from '../../support/journal-bench.ts';

const ENTRIES = 500;
/** Twice nine: it is looked for snapshots first. With an asynchronous iteration it were 26. */
const PROMISES_PER_ENTRY_MAX = 20;

interface Counted<T> {
  readonly result: T;
  readonly count: number;
}

async function promisesOf<T>(work: () => Promise<T>): Promise<Counted<T>> {
  let count = 0;
  const hook = createHook({
    init(_id, type) {
      if (type === 'PROMISE') count++;
    },
  });
  hook.enable();
  try {
    const result = await work();
    return { result, count };
  } finally {
    hook.disable();
  }
}

/** Entries of a batch each. */
async function fill({ journal }: OpenJournal): Promise<void> {
  const name = { topicId: 1, group: 'workers' };
  const settings = newShareSettings({}, {});
  await journal.append(shareGroupCreated, { ...name, settings, timeMs: 1 }, 'sync');
  for (let left = ENTRIES - 1; left > 0; left--) {
    await journal.append(sharePaused, { ...name, isPaused: left % 2 === 0 }, 'os');
  }
  await journal.close();
}

test('an entry takes few promises to be found again', async () => {
  const bench = new JournalBench();
  const first = await bench.open();
  await fill(first);

  const { result: again, count } = await promisesOf(() => bench.open());

  expect(again.journal.appliedOffset).toBe(ENTRIES);
  expect(again.fold.hash()).toBe(first.fold.hash());
  expect(count / ENTRIES).toBeLessThan(PROMISES_PER_ENTRY_MAX);
  await again.journal.close();
});
