/** What must have come of transactions of the model test that ended together. */
import { deepStrictEqual, ok } from 'node:assert/strict';

import { present } from '../../../src/core/assert.ts';
import { isStoreError, StoreError } from '../../../src/core/errors.ts';
import { newMarks } from './compare.ts';
import type { Stop } from './life-commands.ts';
import { PUBLISHED } from './model.ts';
import type { RealTransaction } from './real-transaction.ts';
import type { FoundTransaction } from './sightings.ts';
import { count } from './transaction-command.ts';
import type { Pair, TransactionWorld } from './transaction-world.ts';
import type { Answer, ModelTransaction } from './wanted.ts';

/**
 * `wait`: until all are answered. `slow`: one, while all that can run out or be lost does. `full`: one, where
 * a log has no room behind the journal. Else the store comes to its end in the middle of it.
 */
export type EndKind = 'wait' | 'slow' | 'full' | Stop;

/** One that ends, and what must have come of it. */
export interface Ended extends Pair {
  /** Its record that all of them have. */
  readonly mark: string;
  /** Why it may be refused; none = it must not be. */
  readonly reasons: readonly string[];
}

export function checkNoAnswers({ answers }: RealTransaction): void {
  for (const answer of answers) deepStrictEqual(answer(), null, 'it is refused, and has a result');
}

/** Looks which are there, and has the model commit them. */
export async function takeOutcomes(
  world: TransactionWorld,
  all: readonly Ended[],
  how: EndKind,
): Promise<FoundTransaction[]> {
  const marks = await newMarks(world);
  const there = marks.map((mark) => {
    return present(all.find((one) => one.mark === mark) ?? null, `${mark} was being committed`);
  });
  deepStrictEqual(new Set(there).size, there.length, 'one is there twice');
  for (const one of all) checkOutcome(one, { all, there, how });
  return there.map(({ wanted, real }) => {
    ok(!world.model.hasGap(wanted), 'it is there, and what its producer sent before is not');
    const { answers, spots } = world.model.commit(wanted);
    if (fateOf({ wanted, real }) === 'committed') {
      const found = real.answers.map((answer) => answer());
      deepStrictEqual(found, answers, 'what calls are answered');
    }
    countSpecial(answers, wanted);
    return { wanted, spots };
  });
}

function countSpecial(answers: readonly Answer[], { calls, acks, positions }: ModelTransaction) {
  for (const [at, { duplicates }] of answers.entries()) {
    if (duplicates.length === 0) continue;
    count(calls[at]?.sequence === null ? 'duplicates' : 'sent before');
  }
  if (calls.some(({ sequence }) => sequence !== null)) count('produced');
  if (new Set([...acks].map((spot) => spot.split(' ')[0])).size > 1) count('acked in two queues');
  if (positions.size > 0) count('positions');
}

interface Outcomes {
  readonly all: readonly Ended[];
  /** Those that are there, in order. */
  readonly there: readonly Ended[];
  readonly how: EndKind;
}

function checkOutcome(one: Ended, { all, there, how }: Outcomes): void {
  const { wanted, real, reasons } = one;
  const { told } = real;
  const fate = fateOf(one);
  const isThere = there.includes(one);
  if (isThere) ok(!isAcked(one, there), 'two have acked the same');
  if (fate === 'unknown') {
    ok(how === 'kill' || how.startsWith('cut'), 'nobody was told');
    count(isThere ? 'found whole' : 'found absent');
  } else if (fate === 'committed') {
    ok(isThere, 'it was answered, and is not there');
    ok(told === null || how === 'close', `it is committed: ${textOf(told)}`);
    // What its producer left out may have come meanwhile.
    const left = reasons.filter((code) => code !== 'ERR_VARVE_SEQUENCE_GAP');
    deepStrictEqual(left, [], 'it should have been refused');
    count('committed');
  } else {
    ok(!isThere, `it is there, and was refused: ${textOf(told)}`);
    checkNoAnswers(real);
    const codes = [...reasons, ...(how === 'close' ? ['ERR_VARVE_CLOSED'] : [])];
    // Also one of which nobody was told had taken it.
    const taking = all.filter((other) => fateOf(other) !== 'refused');
    const isTaken = isAcked(one, taking);
    if (isTaken || (how === 'close' && wanted.acks.size > 0)) codes.push('ERR_VARVE_LEASE_LOST');
    const isExpected = told instanceof StoreError && codes.includes(told.code);
    ok(isExpected, `${textOf(told)}, not ${codes.join()}`);
    count(told.code);
  }
}

/** What its caller knows of it. */
function fateOf({ wanted, real }: Pair): 'unknown' | 'committed' | 'refused' {
  if (real.told === undefined) return 'unknown';
  if (real.told === null) return 'committed';
  // One that waits until it is routed is committed then, whatever ends the wait: its calls are answered.
  const isAnswered = wanted.isRouted && real.answers.some((answer) => answer() !== null);
  return isAnswered && isStoreError(real.told, 'ERR_VARVE_CLOSED') ? 'committed' : 'refused';
}

/** Whether another of them acks what it does. */
function isAcked(one: Ended, others: readonly Ended[]): boolean {
  return others.some((other) => {
    return other !== one && [...one.wanted.acks].some((spot) => other.wanted.acks.has(spot));
  });
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : 'something else';
}

/** What was published is where it goes when that was waited for. */
export function checkRouted(world: TransactionWorld, found: readonly FoundTransaction[]): void {
  const copied = present(world.logs.get('copies 0'), 'it is open').visibleOffset;
  for (const { wanted, spots } of found.filter((one) => one.wanted.isRouted)) {
    const published = spots.filter(({ place }) => place === PUBLISHED);
    const isThere = published.every(({ offset }) => offset < copied);
    ok(isThere, `transaction ${wanted.number} was answered, and is not routed`);
    if (published.length > 0) count('routed');
  }
}
