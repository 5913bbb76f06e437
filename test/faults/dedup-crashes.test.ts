/**
 * Every crash point of appends with ids: before, inside and after each file-system call, and what a power
 * cut or a kill may leave there. Whatever that is, a retry of everything stores each record once, whether ids
 * are in memory then or are looked for on the disk.
 */
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';

import { DURABILITY_LEVELS } from '../../src/log/log-options.ts';
import { crashDedup } from '../support/faults/dedup-crashes.ts';
import type { DedupSetting } from '../support/faults/dedup-program.ts';
import { withoutMemoryForIds } from '../support/faults/disk-ids.ts';

/** 0: calls complete in order; 2: in an order of their own, syncs last, so that they overlap. */
const SEEDS = process.env['SEED'] === undefined ? [0, 2] : [Number(process.env['SEED'])];

const SETTINGS: readonly DedupSetting[] = DURABILITY_LEVELS.map((durability, at) => ({
  durability,
  dedupBy: at % 2 === 0 ? 'id' : 'content',
}));

const summaries: string[] = [];

afterEach(() => vi.restoreAllMocks());

describe.each(SETTINGS)('records by $dedupBy at $durability', (setting) => {
  test.each(SEEDS)('are stored once whatever a crash leaves, SEED=%i', async (seed) => {
    const tally = await crashDedup(setting, seed);
    summaries.push(tally.summary(`by ${setting.dedupBy} at ${setting.durability}, SEED=${seed}`));
    expect(tally.failures).toEqual([]);
    expect(tally.of('different states')).toBeGreaterThan(100);
  });
});

test.each(SEEDS)(
  'ids without memory are stored once whatever a crash leaves, SEED=%i',
  async (seed) => {
    const looks = withoutMemoryForIds();
    const tally = await crashDedup({ durability: 'sync', dedupBy: 'id' }, seed);
    summaries.push(tally.summary(`on the disk, ${looks()} looks, SEED=${seed}`));
    expect(tally.failures).toEqual([]);
    expect(looks()).toBeGreaterThan(tally.of('different states'));
  },
);

afterAll(() => console.log(summaries.join('\n')));
