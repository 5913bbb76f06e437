/**
 * Each file-system call of a producer fails, once or from then on: of its epoch, of where it was, of appends,
 * of publishes, and of the opening of its store. What was acknowledged is there once, what was refused is not,
 * and who sends until all is acknowledged has each once.
 */
import { afterAll, describe, expect, test } from 'vitest';

import { StoreError } from '../../src/core/errors.ts';
import {
  checkProducerCalls,
  prepareProducerCalls,
  producerLife,
  sendAgain,
  sendAtOnce,
  type Knowledge,
} from '../support/faults/producer-calls.ts';
import { imageKey } from '../support/faults/image-key.ts';
import { COMMIT_FAULTS, settled } from '../support/faults/told-outcome.ts';
import type { StoreDisk } from '../support/store-disk.ts';

const summaries: string[] = [];

/** Images that were checked, each with what was known then. */
const checked = new Set<string>();

async function check(disk: StoreDisk, knowledge: Knowledge, what: string): Promise<void> {
  const key = `${JSON.stringify([...knowledge])} ${imageKey(disk.fileSystem)}`;
  if (checked.has(key)) return;
  checked.add(key);
  await settled(disk, checkProducerCalls(disk, knowledge)).catch((error: unknown) => {
    throw new Error(what, { cause: error });
  });
}

function shown(knowledge: Knowledge): string {
  return [...new Set(knowledge.values())].toSorted().join('+') || 'never begun';
}

describe('a producer whose calls fail', () => {
  test.each(COMMIT_FAULTS)('with $what, has each number once', async ({ what: name, fault }) => {
    const prepared = await prepareProducerCalls();
    const seen = new Map<string, number>();
    for (let call = 1, isDone = false; !isDone; call++) {
      const disk = prepared.copy();
      const { fileSystem } = disk;
      const life = await producerLife(await disk.open());
      const fromCall = fileSystem.callCount + call;
      fileSystem.addFault({ fromCall, ...fault });
      const knowledge = await settled(disk, sendAtOnce(life));
      isDone = fileSystem.callCount < fromCall;
      fileSystem.clearFaults();
      const first = shown(knowledge);
      await settled(disk, sendAgain(life, knowledge));
      const what = `${first} then ${shown(knowledge)}`;
      seen.set(what, (seen.get(what) ?? 0) + 1);
      const cut = disk.copyAfterPowerCut();
      const closed = life.store.close().catch(() => undefined);
      await settled(disk, closed);
      for (const left of [cut, disk.copy()]) await check(left, knowledge, `call ${call}: ${what}`);
    }
    summaries.push(`${name}: ${JSON.stringify(Object.fromEntries(seen))}`);
    expect(seen.get('done then done')).toBeGreaterThan(0);
    expect(seen.size).toBeGreaterThan(1);
  });
});

/** An opening writes little. */
const OPENING_FAULTS = COMMIT_FAULTS.filter(({ fault }) => fault.errno === 'EIO');

describe('a store of a producer whose opening fails', () => {
  test.each(OPENING_FAULTS)(
    'with $what, is opened the next time',
    async ({ what: name, fault }) => {
      const prepared = await prepareProducerCalls();
      const filled = prepared.copy();
      const life = await producerLife(await filled.open());
      const knowledge = await settled(filled, sendAtOnce(life));
      expect(shown(knowledge)).toBe('done');
      const source = filled.copyAfterPowerCut(); // What was noted of it is not in the journal.
      let refused = 0;
      for (let call = 1, isDone = false; !isDone; call++) {
        const disk = source.copy();
        const { fileSystem } = disk;
        fileSystem.addFault({ fromCall: fileSystem.callCount + call, ...fault });
        const before = fileSystem.callCount;
        const begun = async () => {
          const store = await disk.open();
          try {
            const opened = await producerLife(store);
            const producer = await store.producer('p');
            await producer.last(opened.topic);
            await producer.last(opened.events);
          } finally {
            await store.close().catch(() => undefined);
          }
        };
        const [outcome] = await settled(disk, Promise.allSettled([begun()]));
        isDone = fileSystem.callCount < before + call;
        fileSystem.clearFaults();
        if (outcome.status === 'rejected') {
          expect(outcome.reason).toBeInstanceOf(StoreError);
          refused++;
        }
        for (const left of [disk.copyAfterPowerCut(), disk.copy()]) {
          await check(left, knowledge, `call ${call}`);
        }
      }
      summaries.push(`opening, ${name}: ${refused} refused`);
      expect(refused).toBeGreaterThan(0);
    },
  );
});

afterAll(() => console.log(summaries.join('\n')));
