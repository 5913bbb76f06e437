/**
 * Every crash point of a transaction that acks, appends and publishes to two exchanges: inside and after
 * each file-system call, until its copies are made, and what a kill or a power cut may leave there.
 */
import { afterAll, describe, expect, test } from 'vitest';

import { DURABILITY_LEVELS } from '../../src/log/log-options.ts';
import {
  copiesFor,
  copiesOf,
  findPublishes,
  openForPublishes,
  preparePublishes,
  runPublishes,
  settlePublishes,
  type RunningPublishes,
} from '../support/faults/publish-program.ts';
import { crashAtEveryCall } from '../support/queue-crashes.ts';

const RANDOM_CUTS = 2;

const summaries: string[] = [];

describe('a transaction that publishes', () => {
  test.each(DURABILITY_LEVELS)(
    'is in all sources or in none, and its copies follow once, logs at %s',
    async (level) => {
      let running: RunningPublishes | null = null;
      let isRouted = false;
      const isTold = (): boolean => running?.isCommitted() === true;
      const found = await crashAtEveryCall({
        disk: await preparePublishes(level),
        randomCuts: RANDOM_CUTS,
        told: () => `${isTold()} ${isRouted}`,
        async prepare(store) {
          [running, isRouted] = [null, false];
          return openForPublishes(store, level);
        },
        async run(opened) {
          running = runPublishes(opened, 'routed');
          await Promise.all([running.plain, running.transaction]);
          isRouted = true;
        },
        async look(store, mishap) {
          const early = await copiesOf(store);
          const word = await findPublishes(store);
          if (mishap === 'none' || isTold()) expect(word).toBe('whole');
          const due = copiesFor(word);
          if (isRouted) expect(early).toEqual(due);
          await settlePublishes(store, level);
          expect(await copiesOf(store)).toEqual(due);
          return `${word}${early.join() === due.join() ? '' : ', copies to come'}`;
        },
      });
      expect([...found.keys()]).toEqual(
        expect.arrayContaining(['absent', 'whole', 'whole, copies to come']),
      );
      for (const count of found.values()) expect(count).toBeGreaterThan(1);
      summaries.push(`${level}: ${JSON.stringify(Object.fromEntries(found))}`);
    },
  );
});

afterAll(() => console.log(summaries.join('\n')));
