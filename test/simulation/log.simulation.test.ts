/** Thousands of random histories of one log, each against an oracle that knows only what was said. */
import { expect, test } from 'vitest';

import { simulate } from '../support/simulation/simulator.ts';
import { Tally } from '../support/simulation/tally.ts';

const SEEDS = Number(process.env['VARVE_SEEDS'] ?? 2000);
const ONE_SEED = process.env['SEED'];

test('a log keeps its promises through any crash, fault and full disk', async () => {
  const tally = new Tally();
  const isVerbose = ONE_SEED !== undefined;
  const seeds = isVerbose ? [Number(ONE_SEED)] : Array.from({ length: SEEDS }, (_, at) => at + 1);
  const failed: string[] = [];
  for (const seed of seeds) {
    const narrate = isVerbose ? (what: string) => console.log(what) : undefined;
    const { violations } = await simulate(seed, tally, narrate);
    if (violations.length > 0) {
      failed.push(`SEED=${seed}: ${violations.slice(0, 3).join(' | ')}`);
      if (failed.length >= 10) break;
    }
  }
  console.log(tally.toString());
  expect(failed).toEqual([]);
});
