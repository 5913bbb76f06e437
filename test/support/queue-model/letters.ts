/** Dead letters: one for each death, and what it says. */
import { deepStrictEqual } from 'node:assert/strict';

import { utf8 } from '../../../src/codec/codec.ts';
import type { Store } from '../../../src/store/store.ts';
import type { DeathCase } from './group-model.ts';

type Letter = Readonly<Record<string, string | null>>;

const HEADERS = [
  'reason',
  'topic',
  'group',
  'partition',
  'offset',
  'attempts',
  'failures',
  'expiries',
  'crashes',
  'first-error',
  'last-error',
].map((name) => `varve-death-${name}`);

/** Compares all there are with the deaths so far. */
export async function compareLetters(
  store: Store,
  deaths: readonly DeathCase[],
  valueAt: (partition: number, offset: number) => string | null,
): Promise<void> {
  if (deaths.length === 0) return;
  const topic = await store.topic('jobs.dead', { codec: utf8, create: false });
  const found: Letter[] = [];
  for await (const { value, headers } of topic.records()) {
    const texts = HEADERS.map((name) => {
      const text = headers.get(name);
      return [name, text === undefined ? '' : Buffer.from(text).toString()] as const;
    });
    found.push({ value, ...Object.fromEntries(texts) });
  }
  const wanted = deaths.map(({ partition, offset, reason, item }) => ({
    value: valueAt(partition, offset),
    'varve-death-reason': reason,
    'varve-death-topic': 'jobs',
    'varve-death-group': 'queue',
    'varve-death-partition': `${partition}`,
    'varve-death-offset': `${offset}`,
    'varve-death-attempts': `${item.attempts}`,
    'varve-death-failures': `${item.failures}`,
    'varve-death-expiries': `${item.expiries}`,
    'varve-death-crashes': `${item.crashes}`,
    'varve-death-first-error': item.firstError,
    'varve-death-last-error': item.lastError,
  }));
  deepStrictEqual(inOrder(found), inOrder(wanted));
}

function inOrder(letters: readonly Letter[]): string[] {
  return letters.map((letter) => JSON.stringify(letter)).toSorted();
}
