/**
 * Transactions against plain objects: up to three collect at a time, beside whatever else happens to what they
 * touch, through closes, kills and power cuts. Each is there as a whole, where it says, or not at all, and
 * refused only for the reason that there is.
 */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { asyncPropertyOptions, REPLAY } from '../support/property.ts';
import { StoreDisk } from '../support/store-disk.ts';
import {
  ackCommand,
  appendCommand,
  auditCommand,
  beginCommand,
  commitOffsetCommand,
  commitOffsetsCommand,
  overfillCommand,
  produceCommand,
  publishCommand,
  sendCommand,
} from '../support/transaction-model/collect-commands.ts';
import { compareAll } from '../support/transaction-model/compare.ts';
import { abandonCommand, commitCommand } from '../support/transaction-model/end-commands.ts';
import {
  advanceCommand,
  ownerCommands,
  stopCommand,
  topicCommands,
} from '../support/transaction-model/life-commands.ts';
import { plainCommands, settleCommand } from '../support/transaction-model/plain-commands.ts';
import {
  tally,
  type TransactionCommand,
} from '../support/transaction-model/transaction-command.ts';
import { TransactionWorld } from '../support/transaction-model/transaction-world.ts';

const commands = [
  ...times(7, beginCommand),
  ...times(6, appendCommand),
  ...times(10, produceCommand),
  ...times(7, ackCommand),
  ...times(3, sendCommand),
  ...times(4, publishCommand),
  ...times(2, commitOffsetCommand),
  ...times(2, commitOffsetsCommand),
  auditCommand,
  overfillCommand,
  ...times(2, abandonCommand),
  ...times(10, commitCommand),
  ...times(3, advanceCommand),
  ...times(3, stopCommand),
  ...times(2, settleCommand),
  ...ownerCommands,
  ...topicCommands,
  ...plainCommands,
];

/** How often things happened, at least: nobody learns anything from what did not. */
const EXPECTED = {
  committed: 40,
  // Why it was not.
  'abandoned by abort': 1,
  'abandoned by signal': 1,
  'abandoned by throw': 1,
  'timed out': 1,
  ERR_VARVE_LEASE_LOST: 1,
  ERR_VARVE_FENCED: 1,
  ERR_VARVE_CLOSED: 1,
  ERR_VARVE_SEQUENCE_GAP: 1,
  'taken from a transaction': 1,
  'too large': 2,
  'partition taken': 1,
  // What was committed.
  'acked in two queues': 5,
  positions: 4,
  duplicates: 1,
  produced: 4,
  'sent before': 1,
  'told where it is': 1,
  routed: 2,
  // How it was, and what was found of those of which nobody was told.
  'commit: wait': 30,
  'commit: slow': 3,
  'commit: full': 3,
  'commit: close': 1,
  'commit: kill': 1,
  'commit: cut': 2,
  'found whole': 1,
  'found absent': 1,
  'crash under transactions': 3,
  'close under transactions': 1,
  grown: 4,
};

function times(
  length: number,
  item: fc.Arbitrary<TransactionCommand>,
): fc.Arbitrary<TransactionCommand>[] {
  return Array.from({ length }, () => item);
}

test('a transaction is one step of plain objects, or none', async () => {
  tally.clear();
  const { numRuns = 0, ...options } = asyncPropertyOptions<[Iterable<TransactionCommand>]>();
  await fc.assert(
    fc.asyncProperty(fc.commands(commands, { maxCommands: 100, size: 'max' }), async (chosen) => {
      const world = await TransactionWorld.make(await StoreDisk.make());
      await fc.asyncModelRun(() => ({ model: {}, real: world }), chosen);
      await compareAll(world);
      await world.close();
    }),
    { ...options, numRuns: Math.ceil(numRuns / 2.5) }, // Each takes as long as many others.
  );
  const rare = Object.entries(EXPECTED)
    .map(([name, least]) => ({ name, least, found: tally.get(name) ?? 0 }))
    .filter(({ least, found }) => found < least)
    .map(({ name, least, found }) => `${name}: ${found}, not ${least}`);
  expect(rare, REPLAY).toEqual([]);
});
