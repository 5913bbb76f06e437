/** How a command of the model test of transactions is made. */
import * as fc from 'fast-check';

import { compareFigures } from './compare.ts';
import { RealTransaction } from './real-transaction.ts';
import { DAY_MS, type Pair, type TransactionWorld } from './transaction-world.ts';
import { newTransaction } from './wanted.ts';

/** The model is in the world. */
export type TransactionCommand = fc.AsyncCommand<object, TransactionWorld>;

/** At a time. */
export const OPEN_MAX = 3;

/** How often each thing happened, so that the test can tell whether it did anything. */
export const tally = new Map<string, number>();

export function count(what: string): void {
  tally.set(what, (tally.get(what) ?? 0) + 1);
}

/** Compares figures when it is done. */
export function command(
  name: string,
  run: (world: TransactionWorld) => Promise<unknown>,
): TransactionCommand {
  return {
    check: () => true,
    async run(_model, world) {
      await run(world);
      await compareFigures(world);
    },
    toString: () => name,
  };
}

/** The same every time. */
export function always(name: string, run: (world: TransactionWorld) => Promise<unknown>) {
  return fc.constant(command(name, run));
}

export async function begin(
  world: TransactionWorld,
  { timeoutMs, isRouted }: { readonly timeoutMs: number; readonly isRouted: boolean },
): Promise<Pair> {
  const { model, handles, disk } = world;
  const deadlineMs = model.nowMs + timeoutMs;
  const wanted = newTransaction({ number: model.next(), deadlineMs, isRouted });
  const where = { store: handles.store, machine: disk.fileSystem };
  const pair = { wanted, real: await RealTransaction.begin(where, wanted, timeoutMs) };
  world.begun(pair);
  return pair;
}

/** Of those that collect. */
export const whichOpen = fc.nat(OPEN_MAX - 1);

/** Where none collects, one is begun. */
export function commandOn(
  name: string,
  at: number,
  run: (world: TransactionWorld, pair: Pair) => Promise<void> | void,
): TransactionCommand {
  return command(`${name} (transaction ${at})`, async (world) => {
    const open = world.pairs[at % Math.max(1, world.pairs.length)];
    await run(world, open ?? (await begin(world, { timeoutMs: DAY_MS, isRouted: true })));
  });
}
