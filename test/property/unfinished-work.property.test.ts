/**
 * Retention with every policy, beside stuck consumer groups and share groups with leased, delayed, given back
 * and dead records, groups that come in the middle and go, and restarts: nothing goes that somebody needs
 * unless the policy says so, and counters and copies explain each record that went.
 */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { asyncPropertyOptions } from '../support/property.ts';
import { UnfinishedModel, type UnfinishedDraw } from '../support/unfinished-model.ts';

const draw = fc.record({ what: fc.nat(10_000), one: fc.nat(9999), two: fc.nat(9999) });
const programs = fc.array(draw, { minLength: 10, maxLength: 60, size: 'max' });

test('every record that retention took from a group is explained, and none is that was to stay', async () => {
  const seen: Record<string, number> = {};
  await fc.assert(
    fc.asyncProperty(programs, async (draws: readonly UnfinishedDraw[]) => {
      const model = new UnfinishedModel();
      await model.begin();
      for (const each of draws) await model.step(each);
      await model.end();
      for (const [what, count] of Object.entries(model.seen))
        seen[what] = (seen[what] ?? 0) + count;
    }),
    asyncPropertyOptions<[readonly UnfinishedDraw[]]>(),
  );
  for (const policy of ['skip', 'wait', 'archive']) {
    for (const reason of ['age', 'size'])
      expect(seen[`${policy} ${reason} goes`] ?? 0, policy).toBeGreaterThan(0);
  }
  for (const what of ['wait holds', 'archive holds', 'skipped', 'archived', 'deleted']) {
    expect(seen[what] ?? 0, what).toBeGreaterThan(0);
  }
});
