/**
 * Holds the books of a bank against what its processes said: money is neither made nor lost, each transfer
 * is moved once or not at all, in both accounts and in the queue alike.
 */
import type { Store } from '../../../src/index.ts';
import {
  ACCOUNTS,
  centsFor,
  DEPOSIT,
  DEPOSIT_CENTS,
  openBank,
  QUEUE,
  type AccountName,
  type Bank,
  type Entry,
  type Transfer,
} from './bank.ts';
import type { Told } from './told.ts';

export interface Findings {
  readonly transferCount: number;
  readonly movedCount: number;
  /** Transfers that a process before had in its hands when it died. */
  readonly crashedCount: number;
  /** Moved, and nobody was told so: the process died in between. */
  readonly untoldCount: number;
}

interface Log<T> {
  readonly name: string;
  readonly topic: Pick<Bank['accounts'][AccountName], 'partitionCount'> & {
    batches(options: {
      readonly partitions: number;
      readonly from: number;
    }): AsyncIterable<Iterable<{ readonly offset: number; readonly value: T | null }>>;
  };
}

/** Reads on from where it was: what it has seen once must still be there, as a last look at all shows. */
export class Auditor {
  readonly #transfers = new Map<number, Transfer>();
  /** Cents by transfer. */
  readonly #accounts: Readonly<Record<AccountName, Map<number, number>>> = {
    'account-a': new Map(),
    'account-b': new Map(),
  };
  /** Of each partition, the first offset that was not read yet. */
  readonly #ends = new Map<string, number>();
  /** Of those numbers that were found: whatever is wrong with one was told. */
  readonly #balances: Record<AccountName, number> = { 'account-a': 0, 'account-b': 0 };

  /** @throws Error that names what is wrong */
  async audit(store: Store, told: Told): Promise<Findings> {
    const { transfers, accounts } = await openBank(store);
    await this.#read({ name: QUEUE, topic: transfers.topic }, (transfer) => {
      check(!this.#transfers.has(transfer.number), `${transfer.number} was sent twice`);
      this.#transfers.set(transfer.number, transfer);
    });
    for (const name of ACCOUNTS) {
      await this.#read({ name, topic: accounts[name] }, (entry) => this.#enter(name, entry));
    }
    this.#checkMoney();
    const { unsettled, crashedCount } = await unsettledOf(transfers);
    let movedCount = 0;
    let untoldCount = 0;
    for (const transfer of this.#transfers.values()) {
      const isMoved = this.#checkTransfer(transfer, unsettled.has(transfer.number));
      if (!isMoved) continue;
      movedCount++;
      if (!told.moved.has(transfer.number)) untoldCount++;
    }
    for (const number of told.sent) check(this.#transfers.has(number), `${number} is lost`);
    for (const number of told.moved) {
      check(this.#accounts['account-a'].has(number), `${number} was moved, and is not`);
    }
    return { transferCount: this.#transfers.size, movedCount, crashedCount, untoldCount };
  }

  #enter(account: AccountName, { number, cents }: Entry): void {
    const entries = this.#accounts[account];
    check(!entries.has(number), `${number} stands twice in ${account}`);
    entries.set(number, cents);
    this.#balances[account] += cents;
  }

  #checkMoney(): void {
    const [one, other] = ACCOUNTS.map((name) => this.#accounts[name]);
    const hasDeposits = one?.has(DEPOSIT) === true;
    check(hasDeposits === other?.has(DEPOSIT), 'one account alone was opened');
    const sum = this.#balances['account-a'] + this.#balances['account-b'];
    const expected = hasDeposits ? ACCOUNTS.length * DEPOSIT_CENTS : 0;
    check(sum === expected, `there are ${sum} cents instead of ${expected}`);
    for (const [number] of [...(one ?? []), ...(other ?? [])]) {
      check(number === DEPOSIT || this.#transfers.has(number), `nobody sent ${number}`);
    }
  }

  /** @returns whether it is moved */
  #checkTransfer(transfer: Transfer, isUnsettled: boolean): boolean {
    const { number } = transfer;
    const found = ACCOUNTS.map((name) => this.#accounts[name].get(number) ?? null);
    const isMoved = found.some((cents) => cents !== null);
    const wanted = ACCOUNTS.map((name) => (isMoved ? centsFor(transfer, name) : null));
    check(found.join() === wanted.join(), `${number}: ${found.join()} instead of ${wanted.join()}`);
    check(isMoved || isUnsettled, `${number} was acked, and is not moved`);
    check(!isMoved || !isUnsettled, `${number} was moved, and is not acked`);
    return isMoved;
  }

  async #read<T>({ name, topic }: Log<T>, take: (value: T) => void): Promise<void> {
    for (let partition = 0; partition < topic.partitionCount; partition++) {
      const place = `${name}/${partition}`;
      let expected = this.#ends.get(place) ?? 0;
      for await (const batch of topic.batches({ partitions: partition, from: expected })) {
        for (const { offset, value } of batch) {
          check(offset === expected, `${place}: ${offset} instead of ${expected}`);
          check(value !== null, `${place}: ${offset} is empty`);
          take(value);
          expected++;
        }
      }
      this.#ends.set(place, expected);
    }
  }
}

/** What is not acked, by number. */
async function unsettledOf(transfers: Bank['transfers']): Promise<{
  readonly unsettled: ReadonlySet<number>;
  readonly crashedCount: number;
}> {
  const unsettled = new Set<number>();
  let crashedCount = 0;
  for await (const { record, crashes, state } of transfers.browse()) {
    check(record.value !== null, 'it has a value');
    check(state !== 'dead', `${record.value.number} was given up`);
    unsettled.add(record.value.number);
    if (crashes > 0) crashedCount++;
  }
  return { unsettled, crashedCount };
}

function check(isSo: boolean, message: string): asserts isSo {
  if (!isSo) throw new Error(message);
}
