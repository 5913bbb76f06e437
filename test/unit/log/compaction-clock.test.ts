/** Lags of compaction beside a clock that jumps. */
import { expect, test } from 'vitest';

import { Compacting } from '../../support/compacting.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

test('a lag is counted on while a clock that jumped is not believed', async () => {
  const one = await Compacting.open({ compactionLagMsMin: HOUR_MS });
  await one.append('a', 'a');
  const first = await one.roll();
  one.clock.jumpTo(one.clock.now() + 5 * DAY_MS);
  await one.append('b', 'b');
  await one.roll();
  const { compactor } = one.log.forStore();
  expect(await compactor.look()).toMatchObject({ limitedBy: 'lag', limitOffset: 0 });
  one.clock.advance(HOUR_MS);
  expect(await compactor.look()).toMatchObject({ limitedBy: 'lag', limitOffset: first });
  expect(await compactor.compactDue()).toMatchObject({ supersededCount: 1 });
});
