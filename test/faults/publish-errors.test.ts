/**
 * Each file-system call of a transaction that acks, appends and publishes to two exchanges fails, once or
 * from then on: who was told that it has succeeded finds all of it, and each copy once; who was told that
 * nothing happened finds nothing, in no destination either, and may try again.
 */
import { afterAll, describe, expect, test } from 'vitest';

import {
  copiesFor,
  copiesOf,
  findPublishes,
  openForPublishes,
  preparePublishes,
  runPublishes,
  settlePublishes,
} from '../support/faults/publish-program.ts';
import {
  COMMIT_FAULTS,
  expectAsTold,
  settled,
  toldOf,
  type Told,
} from '../support/faults/told-outcome.ts';
import type { StoreDisk } from '../support/store-disk.ts';

const LEVEL = 'os';

const summaries: string[] = [];

async function publish(
  disk: StoreDisk,
  opened: Awaited<ReturnType<typeof openForPublishes>>,
): Promise<Told> {
  const { transaction, plain, isCommitted } = runPublishes(opened, 'committed');
  const [outcome] = await settled(disk, Promise.allSettled([transaction, plain]));
  const told = toldOf(outcome);
  expect(isCommitted()).toBe(told === 'done');
  return told;
}

describe('a transaction that publishes, whose calls fail', () => {
  test.each(COMMIT_FAULTS)('with $what, says what became of it', async ({ what: name, fault }) => {
    const prepared = await preparePublishes(LEVEL);
    const seen = new Map<string, number>();
    for (let call = 1, isDone = false; !isDone; call++) {
      const disk = prepared.copy();
      const { fileSystem } = disk;
      const store = await disk.open();
      const opened = await openForPublishes(store, LEVEL);
      const fromCall = fileSystem.callCount + call;
      fileSystem.addFault({ fromCall, ...fault });
      const told = await publish(disk, opened);
      isDone = fileSystem.callCount < fromCall;
      fileSystem.clearFaults();
      const toldLast = told === 'nothing' ? await publish(disk, opened) : told;
      const what = `${told} then ${toldLast}`;
      seen.set(what, (seen.get(what) ?? 0) + 1);
      const cut = disk.copyAfterPowerCut();
      await settled(
        disk,
        store.close().catch(() => undefined),
      );
      for (const left of [cut, disk.copy()]) {
        const reopened = await left.open();
        const found = await findPublishes(reopened);
        expectAsTold(found, toldLast);
        await settled(left, settlePublishes(reopened, LEVEL));
        expect(await copiesOf(reopened)).toEqual(copiesFor(found));
        await reopened.close();
      }
    }
    summaries.push(`${name}: ${JSON.stringify(Object.fromEntries(seen))}`);
    expect(seen.get('done then done')).toBeGreaterThan(1);
    expect(seen.size).toBeGreaterThan(1);
  });
});

afterAll(() => console.log(summaries.join('\n')));
