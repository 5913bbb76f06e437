/**
 * The examples between SQLite and a store, killed at random: each row arrives once, each record counts once.
 *
 * Needs `node:sqlite` (Node.js 22.13) or `npm run bench:peers`: without both it skips. `SEED` sets the
 * moments.
 */
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';

import { json } from '../../src/codec/codec.ts';
import { present } from '../../src/core/assert.ts';
import { randomBelow, SeededRandom } from '../../src/core/random.ts';
import { openStore } from '../../src/store/open-store.ts';
import { exampleText, programOf, runAndKill, runToEnd } from '../support/examples.ts';
import { isInNode, sqlite, whyNoSqlite, withSqlite, type Database } from '../support/sqlite.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const KILLS = 20;
const SEED = Number(process.env['SEED'] ?? 1 + Math.floor(Math.random() * 1e6));
const CUSTOMERS = 7;
/** The inbox says a line for each batch, and is killed before it has said more than these. */
const LINES_MAX = 40;

interface Order {
  readonly customer: string;
  /** From 0, without gaps. */
  readonly number: number;
  readonly cents: number;
}

interface Places {
  readonly database: string;
  readonly store: string;
}

async function places(): Promise<Places> {
  const root = await temporaryDirectory();
  return { database: join(root, 'shop.db'), store: join(root, 'store') };
}

function openDatabase(path: string): Database {
  const db = new (present(sqlite, 'the test is skipped without'))(path);
  onTestFinished(() => void db.close());
  db.exec('PRAGMA journal_mode = WAL; PRAGMA busy_timeout = 5000');
  return db;
}

function orderOf(number: number): Order {
  return { customer: `c${(number * 31) % CUSTOMERS}`, number, cents: 1 + (number % 100) };
}

/** An application that takes orders, and says so in its outbox, in the same transaction. */
class Shop {
  count = 0;
  readonly #db: Database;

  constructor(path: string, idColumn = 'INTEGER PRIMARY KEY AUTOINCREMENT') {
    this.#db = openDatabase(path);
    this.#db.exec(`CREATE TABLE orders (number INTEGER PRIMARY KEY, cents INTEGER NOT NULL);
      CREATE TABLE outbox (id ${idColumn}, event TEXT NOT NULL)`);
  }

  order(): void {
    const order = orderOf(this.count++);
    this.#db.exec('BEGIN IMMEDIATE');
    this.#db.prepare('INSERT INTO orders VALUES (?, ?)').run(order.number, order.cents);
    // One event in three it takes back, so ids have gaps.
    if (order.number % 3 === 0) {
      this.#db.exec("INSERT INTO outbox (event) VALUES ('none')");
      this.#db.exec('DELETE FROM outbox WHERE id = last_insert_rowid()');
    }
    this.#db.prepare('INSERT INTO outbox (event) VALUES (?)').run(JSON.stringify(order));
    this.#db.exec('COMMIT');
  }

  get outboxSize(): number {
    return this.#db.prepare('SELECT id FROM outbox').all().length;
  }
}

/** Numbers of orders in a store, by customer, in the order of the topic. */
async function ordersIn(path: string): Promise<ReadonlyMap<string, readonly number[]>> {
  const store = await openStore(path, { readOnly: true });
  const topic = await store.topic('orders', { codec: json<Order>() });
  const found = new Map<string, number[]>();
  for await (const { value } of topic.records()) {
    const { customer, number } = present(value, 'orders are no tombstones');
    const numbers = found.get(customer) ?? [];
    found.set(customer, numbers);
    numbers.push(number);
  }
  await store.close();
  return found;
}

/** What they must be: each once, those of a customer as they were taken. */
function ordersUpTo(count: number): ReadonlyMap<string, readonly number[]> {
  const expected = new Map<string, number[]>();
  for (let number = 0; number < count; number++) {
    const { customer } = orderOf(number);
    const numbers = expected.get(customer) ?? [];
    expected.set(customer, numbers);
    numbers.push(number);
  }
  return expected;
}

test('Node.js has SQLite from 22.13 on: there nothing is skipped', () => {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  expect(isInNode).toBe(major > 22 || (major === 22 && minor >= 13));
});

describe.skipIf(whyNoSqlite !== null)(`outbox and inbox (skipped: ${whyNoSqlite ?? 'no'})`, () => {
  test('the outbox, killed twenty times while orders come in, moves each row once', async () => {
    const { database, store } = await places();
    const shop = new Shop(database);
    const program = await programOf(withSqlite(await exampleText('outbox.mjs')));
    const random = new SeededRandom(SEED);
    for (let kill = 0; kill < KILLS; kill++) {
      for (let order = 0; order < 300; order++) shop.order();
      const lineCount = 1 + randomBelow(random, 2);
      const onLine = (): void => shop.order();
      const args = [database, store, '--follow'];
      await runAndKill(program, args, { lineCount, delayMsMax: 5, random, onLine });
    }
    await runToEnd(program, [database, store]);
    expect(shop.outboxSize).toBe(0);
    expect(await ordersIn(store), `SEED=${SEED}`).toEqual(ordersUpTo(shop.count));
  });

  test('an outbox whose ids are given again loses rows: hence AUTOINCREMENT', async () => {
    const { database, store } = await places();
    const shop = new Shop(database, 'INTEGER PRIMARY KEY');
    const program = await programOf(withSqlite(await exampleText('outbox.mjs')));
    shop.order();
    await runToEnd(program, [database, store]);
    shop.order(); // Its row has the id of the one that is gone.
    await runToEnd(program, [database, store]);
    expect(shop.outboxSize).toBe(0);
    expect(await ordersIn(store)).toEqual(ordersUpTo(1));
  });

  test('the inbox, killed twenty times, counts each record once', async () => {
    const { database, store: path } = await places();
    const program = await programOf(withSqlite(await exampleText('inbox.mjs')));
    const random = new SeededRandom(SEED);
    let count = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      const store = await openStore(path);
      const topic = await store.topic('orders', { codec: json<Order>(), partitions: 4 });
      for (let batch = 0; batch < LINES_MAX; batch++) {
        const value = orderOf(count++);
        await topic.append({ key: value.customer, value });
      }
      await store.close();
      const lineCount = 1 + randomBelow(random, LINES_MAX);
      await runAndKill(program, [database, path, '--follow'], { lineCount, delayMsMax: 5, random });
    }
    await runToEnd(program, [database, path]);
    const expected = new Map<string, number>();
    for (let number = 0; number < count; number++) {
      const { customer, cents } = orderOf(number);
      expected.set(customer, (expected.get(customer) ?? 0) + cents);
    }
    const rows = openDatabase(database).prepare('SELECT customer, cents FROM totals').all();
    const totals = rows.map((row) => row as { readonly customer: string; readonly cents: number });
    const found = new Map(totals.map(({ customer, cents }) => [customer, cents]));
    expect(found, `SEED=${SEED}`).toEqual(expected);
  });
});
