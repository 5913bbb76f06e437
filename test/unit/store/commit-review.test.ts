/** What a review found in commits: logs that fail or fill up in the middle of one. */
import { describe, expect, test } from 'vitest';

import { FailedError } from '../../../src/core/errors.ts';
import { commit, CommitBench, contents } from '../../support/commit-bench.ts';
import { HeldSyncs } from '../../support/held-syncs.ts';

/** Many turns of the event loop: whatever can go on has gone on. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
}

describe('a commit that is on its way into the journal', () => {
  test('stands, though one of its logs fails meanwhile: its next opening has it', async () => {
    const bench = new CommitBench();
    const held = new HeldSyncs(bench.fileSystem, '/journal/');
    const { store, topic } = await bench.open();
    for (const partition of [0, 1]) await topic.append({ value: 'before' }, { partition });
    held.hold();
    const committed = commit({ store, topic }, [['a'], ['b'], []]);
    await settle();
    expect(held.waiting).toHaveLength(1);
    bench.fileSystem.addFault({
      operations: ['datasync'],
      path: /topics.*\/0\/checkpoint$/,
      errno: 'EIO',
    });
    const deleted = topic.deleteBefore({ partition: 0, offset: 1 });
    await expect(deleted).rejects.toThrow(FailedError);
    held.release();
    expect(await committed).toEqual({ baseOffsets: [1, 1] });
    expect((await contents(topic))[1]).toEqual(['before', 'b']);
    await store.close().catch(() => undefined);
    const again = await bench.open();
    expect((await contents(again.topic)).slice(0, 2)).toEqual([['a'], ['before', 'b']]);
  });
});
