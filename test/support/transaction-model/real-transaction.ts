/** A transaction of the real store that goes on for as long as the test wants. */
import { present } from '../../../src/core/assert.ts';
import type { Store } from '../../../src/store/store.ts';
import type { Transaction } from '../../../src/transaction/transaction.ts';
import type { FaultyFileSystem } from '../faulty-file-system.ts';
import type { Answer, ModelTransaction } from './wanted.ts';

/** How its action ends. */
export type ActionEnd = 'return' | 'throw' | 'abort' | 'signal';

type Machine = Pick<FaultyFileSystem, 'isCrashed'>;

/** What an action throws, or its signal says. */
export class GivenUp extends Error {}

export class RealTransaction {
  readonly tx: Transaction;
  /** Resolves when its caller was told. */
  readonly done: Promise<void>;
  /** What its caller was told; undefined = nothing yet, null = it is committed. */
  told: unknown;
  /** What each call is answered, in order; null = nothing. */
  readonly answers: (() => Answer | null)[] = [];
  readonly #end: (how: ActionEnd) => void;

  private constructor(
    tx: Transaction,
    end: (how: ActionEnd) => void,
    { done, machine }: { done: Promise<void>; machine: Machine },
  ) {
    this.tx = tx;
    this.#end = end;
    const tell = (what: unknown): void => {
      if (!machine.isCrashed) this.told = what; // Else there is nobody any more who could hear it.
    };
    this.done = done.then(
      () => tell(null),
      (error: unknown) => tell(error),
    );
  }

  static async begin(
    { store, machine }: { readonly store: Store; readonly machine: Machine },
    { number, isRouted }: Pick<ModelTransaction, 'number' | 'isRouted'>,
    timeoutMs: number,
  ): Promise<RealTransaction> {
    const stop = new AbortController();
    let end: (how: ActionEnd) => void = () => undefined;
    const ended = new Promise<ActionEnd>((resolve) => {
      end = resolve;
    });
    const begun: Transaction[] = [];
    const action = async (tx: Transaction): Promise<void> => {
      begun.push(tx);
      const how = await ended;
      if (how === 'throw') throw new GivenUp();
      if (how === 'signal') stop.abort(new GivenUp());
      if (how === 'abort') tx.abort();
    };
    const confirm = isRouted ? 'routed' : 'committed';
    const options = { name: `${number}`, timeoutMs, signal: stop.signal, confirm } as const;
    const done = store.transaction(action, options);
    await Promise.resolve();
    return new RealTransaction(present(begun[0], 'it runs'), end, { done, machine });
  }

  end(how: ActionEnd): void {
    this.#end(how);
  }
}
