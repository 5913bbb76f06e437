/** Committing transactions of the model test, some at a time. */
import { deepStrictEqual } from 'node:assert/strict';

import { appendMark, appendToAudit, commitOffset } from './collect-commands.ts';
import {
  CALLS_MAX,
  endAll,
  endSlowly,
  endUntil,
  endWithoutRoom,
  SLOW_MS,
  stopUnder,
  type FirstRead,
} from './endings.ts';
import { checkOpened, passed } from './life-commands.ts';
import { checkRouted, takeOutcomes, type Ended, type EndKind } from './outcomes.ts';
import { appendPlain } from './plain-commands.ts';
import { Sightings } from './sightings.ts';
import { count } from './transaction-command.ts';
import type { Pair, TransactionWorld } from './transaction-world.ts';

export interface Ending {
  /** How many, at most: the oldest of those that collect. */
  readonly total: number;
  readonly how: EndKind;
  /** Of the file system, before it stops: up to `CALLS_MAX`. */
  readonly callCount: number;
}

/** Each is whole or absent, and as it must be. */
export async function commitSome(world: TransactionWorld, ending: Ending): Promise<void> {
  const { how, callCount } = ending;
  const isHeldUp = how === 'slow' || how === 'full';
  const pairs = world.pairs.slice(0, isHeldUp ? 1 : ending.total);
  if (pairs.length === 0) return;
  if (how !== 'wait') for (const pair of pairs) appendToAudit(world, pair);
  if (how === 'slow') {
    for (const pair of pairs) commitOffset(world, pair, callCount / (2 * CALLS_MAX));
    world.auditSyncs.hold();
  }
  // It is not synced: what is committed behind it has it synced first.
  if (how !== 'wait' && how !== 'full') await appendPlain(world);
  const all = pairs.map((pair) => marked(world, pair));
  const sightings = new Sightings(world);
  if (how === 'wait') {
    await sightings.during(endAll(all));
    await takeAnswers(world, all, { how, sightings });
  } else if (how === 'slow') {
    const first = await sightings.during(endSlowly(world, all));
    await takeAnswers(world, all, { how, sightings });
    await passed(world, SLOW_MS);
    if (first !== null) checkFirst(world, first);
  } else if (how === 'full') {
    const tookMs = await sightings.during(endWithoutRoom(world, all));
    await takeAnswers(world, all, { how, sightings });
    await passed(world, tookMs);
  } else {
    await sightings.during(endUntil(world, all, { how, callCount }));
    await stopUnder(world, how, all);
    await world.open();
    sightings.check(await takeOutcomes(world, all, how));
    await checkOpened(world, how);
  }
  count(`commit: ${how.startsWith('cut') ? 'cut' : how}`);
}

function marked(world: TransactionWorld, pair: Pair): Ended {
  const mark = appendMark(world, pair);
  return { ...pair, mark, reasons: world.model.reasons(pair.wanted) };
}

interface Answered {
  readonly how: EndKind;
  readonly sightings: Sightings;
}

/** Where the process goes on. */
async function takeAnswers(
  world: TransactionWorld,
  all: readonly Ended[],
  { how, sightings }: Answered,
): Promise<void> {
  for (const one of all) world.over(one);
  const found = await takeOutcomes(world, all, how);
  sightings.check(found);
  checkRouted(world, found);
}

/** Whoever takes over begins behind what was committed before. */
function checkFirst({ model }: TransactionWorld, { partition, baseOffset }: FirstRead): void {
  deepStrictEqual(baseOffset, model.positions.get(partition) ?? 0, 'where the next member begins');
}
