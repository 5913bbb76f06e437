/** Commands that end transactions. */
import { ok } from 'node:assert/strict';

import * as fc from 'fast-check';

import { isStoreError } from '../../../src/core/errors.ts';
import { commitSome, type Ending } from './committing.ts';
import { CALLS_MAX } from './endings.ts';
import { STOPS } from './life-commands.ts';
import { checkNoAnswers } from './outcomes.ts';
import { GivenUp } from './real-transaction.ts';
import { command, commandOn, count, OPEN_MAX, whichOpen } from './transaction-command.ts';

/** Its caller is told why, and nothing of it happens. */
export const abandonCommand = fc
  .record({ at: whichOpen, how: fc.constantFrom('throw', 'abort', 'signal') })
  .map(({ at, how }) =>
    commandOn(`abandon by ${how}`, at, async (world, pair) => {
      const { real } = pair;
      real.end(how);
      await real.done;
      if (how === 'abort') ok(isStoreError(real.told, 'ERR_VARVE_TRANSACTION_ENDED'));
      else ok(real.told instanceof GivenUp, String(real.told));
      checkNoAnswers(real);
      world.over(pair);
      count(`abandoned by ${how}`);
    }),
  );

const ending: fc.Arbitrary<Ending> = fc.record({
  total: fc.integer({ min: 1, max: OPEN_MAX }),
  how: fc.oneof(
    { weight: 6, arbitrary: fc.constant('wait') },
    { weight: 3, arbitrary: fc.constantFrom('slow', 'full') },
    { weight: 5, arbitrary: fc.constantFrom(...STOPS) },
  ),
  callCount: fc.nat(CALLS_MAX),
});

export const commitCommand = ending.map((how) =>
  command(`commit ${JSON.stringify(how)}`, (world) => commitSome(world, how)),
);
