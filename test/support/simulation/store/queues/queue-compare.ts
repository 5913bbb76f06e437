/** The figures of a group beside what a walk over all its records finds, and what its oracle knows. */
import { isDeepStrictEqual } from 'node:util';

import { BROWSED_STATES, type BrowsedState } from '../../../../../src/queue/browse.ts';
import type { ShareGroup } from '../../../../../src/queue/share-group.ts';
import type { ShareStats } from '../../../../../src/queue/share-stats.ts';
import { LETTERS_ID } from './queue-topics.ts';
import { endsOf } from './queue-changes.ts';
import { pickHandle } from './queue-steps.ts';
import type { GroupHandle, QueueSession } from './queue-session.ts';

/** Compares them while nothing that the program asked for is under way. */
export async function compare(queues: QueueSession): Promise<void> {
  const { session } = queues;
  const handle = pickHandle(queues);
  await queues.quiet();
  if (handle === null || session.isOver || handle.isClosing) return;
  await session.follow(compareOne(queues, handle), () => undefined);
}

async function compareOne(queues: QueueSession, handle: GroupHandle): Promise<void> {
  const { world, session } = queues;
  const { group, ledger } = handle;
  const ends = endsOf(queues, handle);
  const before = await group.stats();
  const scan = await scanOf(group);
  const after = await group.stats();
  // Something went on in the background.
  if (session.isOver || !isDeepStrictEqual(before, after)) return;
  if (!isDeepStrictEqual(ends, endsOf(queues, handle))) return;
  // Offsets that hold no record count until somebody came past them, or wanted to try them again.
  let { max: missingLeft = 0 } = ledger.counts(endsOf(queues, handle)).get('missing') ?? {};
  // What is leased, or dead, stays so when compaction takes its record.
  const waiting = ['ready', 'delayed'] as const;
  const states = world.isKeyed(ledger.topic) ? ([...waiting, 'leased', 'dead'] as const) : waiting;
  for (const state of states) {
    const gapCount = Math.min(Math.max(0, after[`${state}Count`] - scan[state]), missingLeft);
    scan[state] += gapCount;
    missingLeft -= gapCount;
  }
  const found = Object.fromEntries(BROWSED_STATES.map((state) => [state, after[`${state}Count`]]));
  if (!isDeepStrictEqual(found, scan)) {
    const texts = [found, scan].map((each) => JSON.stringify(each));
    world.fault('counters', `${ledger.id}: ${texts[0]}, a scan finds ${texts[1]}`);
  }
  if (ledger.id !== LETTERS_ID) checkKnown(queues, handle, after);
  world.tally.add('scans');
}

async function scanOf(group: ShareGroup<Uint8Array>): Promise<Record<BrowsedState, number>> {
  const scan = { ready: 0, leased: 0, delayed: 0, condemned: 0, dead: 0 };
  for await (const { state } of group.browse()) scan[state]++;
  return scan;
}

/** What the oracle knows for certain, and what may be. */
function checkKnown(queues: QueueSession, handle: GroupHandle, stats: ShareStats): void {
  const { world } = queues;
  const { ledger, config } = handle;
  const known = { there: 0, perhapsThere: 0, dead: 0, perhapsDead: 0 };
  ledger.each(endsOf(queues, handle), (fate) => {
    if (fate.is('there')) known.there++;
    if (fate.may('there')) known.perhapsThere++;
    if (fate.is('dead')) known.dead++;
    if (fate.may('dead')) known.perhapsDead++;
  });
  const { unsettledCount, leasedCount, condemnedCount, deadCount } = stats;
  const expect = (what: string, count: number, min: number, max: number): void => {
    if (count >= min && count <= max) return;
    world.fault('counters', `${ledger.id}: ${count} are ${what}, known are ${min} to ${max}`);
  };
  // What is condemned has died for whoever gave it back, and is dead when the journal takes it.
  expect('unsettled', unsettledCount, known.there, known.perhapsThere + condemnedCount);
  expect('leased', leasedCount, ledger.heldCount, known.perhapsThere);
  if (config.deadLetter === null) expect('dead', deadCount, known.dead, known.perhapsDead);
  else expect('dead', deadCount, 0, 0);
}
