/** How `varve publish` waits for the copies of what it published. */
import { expect, test } from 'vitest';

import type { ExchangeStats } from '../../../src/routing/exchange-stats.ts';
import type { ControlVerb } from '../../../src/store/control-verb.ts';
import { untilProjected } from '../../../tools/projection-wait.ts';
import type { StoreDesk } from '../../../tools/store-desk.ts';

const END = 10;

function statsOf(position: number, error: string | null): ExchangeStats {
  const one = { destination: 'one', partition: 0, bindingId: null, lagMs: 0, recordCount: 0 };
  const lagCount = END - position;
  const destinations = [{ ...one, position, lagCount, isBehind: lagCount > 0, error }];
  const source = { startOffset: 0, endOffset: END, position: END, lagMs: 0, error: null };
  return { ...source, skippedCount: 0, destinations, backfills: [] };
}

/** Tells one after the other, the last again and again. */
class ToldDesk implements StoreDesk {
  readonly isOwner = false;
  count = 0;
  readonly #told: readonly ExchangeStats[];

  constructor(told: readonly ExchangeStats[]) {
    this.#told = told;
  }

  async ask<Args, Answer>({ answer }: ControlVerb<Args, Answer>): Promise<Answer> {
    const told = this.#told[this.count] ?? this.#told.at(-1);
    this.count++;
    return answer.check('answer', told);
  }
}

async function warningsOf(desk: ToldDesk): Promise<string[]> {
  const warnings: string[] = [];
  const { signal } = new AbortController();
  const warn = (text: string): void => void warnings.push(text);
  await untilProjected({ signal, warn, note: warn }, desk, 'events');
  return warnings;
}

test('a destination that is slow is waited for as long as it gets on', async () => {
  const slow = [0, 0, 1, 1, 5].map((position) => statsOf(position, 'it took nothing for 250 ms'));
  const desk = new ToldDesk([...slow, statsOf(END, null)]);
  expect(await warningsOf(desk)).toEqual([]);
  expect(desk.count).toBe(6);
});

test('one that stands still is told of, and waited for no longer', async () => {
  const desk = new ToldDesk([statsOf(3, 'there is no room')]);
  const warning = 'one has not got all of its copies yet: there is no room';
  expect(await warningsOf(desk)).toEqual([warning]);
});
