/**
 * Share groups against plain objects: what is handed out, what becomes of it, and what is left of it
 * when the process or the power is gone. After every command all figures, the state that the journal
 * adds up to, and the dead letters are what the model says.
 */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import {
  ackAllCommand,
  acquireCommand,
  releaseCommand,
  send,
  sendCommand,
  settleCommands,
} from '../support/queue-model/lease-commands.ts';
import {
  advanceCommand,
  cancelCommand,
  crashCommand,
  deleteCommand,
  cutCommand,
  killCommand,
  lifeCommands,
  pauseCommand,
  reopenCommand,
  resumeCommand,
  snapshotCommand,
  stallCommand,
} from '../support/queue-model/life-commands.ts';
import { faultCommand } from '../support/queue-model/fault-command.ts';
import {
  redriveCommand,
  reviveCommand,
  transactionCommand,
} from '../support/queue-model/move-commands.ts';
import { waitCommand } from '../support/queue-model/wait-commands.ts';
import { raceCommand } from '../support/queue-model/race-command.ts';
import { count, tally, type QueueCommand } from '../support/queue-model/queue-command.ts';
import { QueueWorld } from '../support/queue-model/queue-world.ts';
import { asyncPropertyOptions, REPLAY } from '../support/property.ts';
import { StoreDisk } from '../support/store-disk.ts';

/** What is done with records, in every history. */
const common = [
  ...times(3, sendCommand),
  ...times(10, acquireCommand),
  ...times(5, advanceCommand),
  ...times(4, resumeCommand),
  ...times(2, settleCommands).flat(),
];

/** What leads to the rare things comes more often. */
const lifeHistories = [
  ...common,
  ...times(3, acquireCommand),
  ...times(4, advanceCommand),
  ...times(4, releaseCommand),
  ...times(3, ackAllCommand),
  ...times(6, stallCommand),
  ...times(4, cancelCommand),
  ...times(2, killCommand),
  ...times(4, crashCommand),
  ...times(12, raceCommand),
  ...times(2, settleCommands).flat(),
  ...times(2, reopenCommand),
  ...times(2, lifeCommands).flat(),
  pauseCommand,
];

const faultHistories = [
  ...common,
  ...times(3, releaseCommand),
  ...times(14, faultCommand),
  ...times(6, transactionCommand),
  ...times(10, redriveCommand),
  ...times(7, reviveCommand),
  ...times(16, waitCommand),
  ...times(11, deleteCommand),
  ...times(3, snapshotCommand),
  killCommand,
  cutCommand,
  pauseCommand,
];

/** How often things happened, at least, in fifty examples. */
const EXPECTED_IN_LIFE = {
  acquired: 200,
  again: 80,
  doubtful: 15,
  suspect: 10,
  caught: 8,
  'dead: crash': 4,
  'dead: failures': 1,
  'dead: rejected': 1,
  'dead: lease-expired': 1,
  'kill with leases': 30,
  cut: 3,
  expired: 5,
  stalled: 1,
  stale: 1,
  ack: 1,
  ackAll: 1,
  release: 5,
  giveBack: 1,
  renew: 1,
  closed: 3,
  altered: 3,
  reopened: 3,
  cancelled: 1,
  purged: 10,
  undone: 1,
  'race: kill': 3,
  'race: cut': 3,
  'ack in time': 1,
  'ack in vain': 1,
  'release in time': 1,
  'release in vain': 1,
  'reject in time': 1,
  'reject in vain': 1,
  'giveBack in time': 1,
  'giveBack in vain': 1,
  'handed out': 1,
  unburied: 1,
};

const EXPECTED_WITH_FAULTS = {
  acquired: 200,
  'fault: full': 1,
  'fault: no room': 1,
  'fault: write': 1,
  'fault: datasync': 1,
  'ack refused': 1,
  'release refused': 1,
  'reject refused': 1,
  'giveBack refused': 1,
  'expire in time': 1,
  'expire in vain': 1,
  transaction: 1,
  redriven: 1,
  'redriven in a crash': 1,
  revived: 1,
  'waited for send': 1,
  'waited for release': 1,
  'waited for give back': 1,
  'waited for expire': 1,
  'waited for resume': 1,
  'waited for nothing': 1,
  'wait aborted': 1,
  'snapshot of leases': 1,
  deleted: 1,
  passed: 1,
  missing: 1,
};

function times<A>(length: number, item: A): A[] {
  return Array.from({ length }, () => item);
}

/** Has histories of such commands happen. @returns what was too rare in them */
async function rareIn(
  commands: fc.Arbitrary<QueueCommand>[],
  expected: Readonly<Record<string, number>>,
): Promise<string[]> {
  tally.clear();
  const { numRuns = 0, ...options } = asyncPropertyOptions<[Iterable<QueueCommand>]>();
  await fc.assert(
    fc.asyncProperty(fc.commands(commands, { maxCommands: 60, size: 'max' }), async (chosen) => {
      const world = await QueueWorld.make(await StoreDisk.make());
      for (const partition of [0, 1]) await send(world, partition, 3);
      await fc.asyncModelRun(() => ({ model: {}, real: world }), chosen);
      await world.close();
      for (const { data } of Object.values(world.groups)) {
        for (const { reason } of data.deaths) count(`dead: ${reason}`);
      }
    }),
    { ...options, numRuns: Math.ceil(numRuns / 2) }, // Each takes as long as many others.
  );
  return Object.entries(expected)
    .map(([name, least]) => ({ name, least, found: tally.get(name) ?? 0 }))
    .filter(({ least, found }) => found < least)
    .map(({ name, least, found }) => `${name}: ${found}, not ${least}`);
}

test('a queue hands out and gives up what its model does, through closes, kills and power cuts', async () => {
  expect(await rareIn(lifeHistories, EXPECTED_IN_LIFE), REPLAY).toEqual([]);
});

test('so it does while the disk fails, consumers wait, and records are moved and deleted', async () => {
  expect(await rareIn(faultHistories, EXPECTED_WITH_FAULTS), REPLAY).toEqual([]);
});
