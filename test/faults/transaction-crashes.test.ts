/**
 * Every crash point of two transactions at a time, of acks, positions, publishes, sends and appends over two
 * queues, topics, exchanges and members: inside and after each file-system call, and what a kill or a power
 * cut may leave there.
 */
import { afterAll, describe, expect, test } from 'vitest';

import { DURABILITY_LEVELS } from '../../src/log/log-options.ts';
import {
  findTransactions,
  openForTransactions,
  prepareTransactions,
  runTransactions,
} from '../support/faults/transaction-program.ts';
import { crashAtEveryCall } from '../support/queue-crashes.ts';

const RANDOM_CUTS = 2;

const summaries: string[] = [];

describe('transactions', () => {
  test.each(DURABILITY_LEVELS)(
    'are there as a whole or not at all, topics at %s',
    async (level) => {
      const told = new Set<number>();
      const found = await crashAtEveryCall({
        disk: await prepareTransactions(level),
        randomCuts: RANDOM_CUTS,
        told: () => [...told].join(),
        async prepare(store) {
          told.clear();
          return openForTransactions(store, level);
        },
        async run(opened) {
          const all = runTransactions(opened, 'routed').map((done, number) =>
            done.then(() => void told.add(number)),
          );
          await Promise.all([...all, opened.audit.append({ value: 'plain' })]);
        },
        async look(store, mishap) {
          const words = await findTransactions(store, level);
          for (const [number, word] of words.entries()) {
            if (mishap === 'none' || told.has(number)) expect(word).toBe('whole');
          }
          return words.join();
        },
      });
      expect([...found.keys()]).toEqual(expect.arrayContaining(['absent,absent', 'whole,whole']));
      for (const count of found.values()) expect(count).toBeGreaterThan(1);
      summaries.push(`${level}: ${JSON.stringify(Object.fromEntries(found))}`);
    },
  );
});

afterAll(() => console.log(summaries.join('\n')));
