// Adds up the records of a topic in a SQLite database, each once, however often it is killed.
//   node inbox.mjs ./totals.db ./store [--follow]
import { DatabaseSync } from 'node:sqlite';
import { json, openStore } from 'varve';

const [, , database = './totals.db', path = './store', follow] = process.argv;
const db = new DatabaseSync(database);
db.exec(`
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  CREATE TABLE IF NOT EXISTS totals (customer TEXT PRIMARY KEY, cents INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS positions (partition_number INTEGER PRIMARY KEY, next INTEGER NOT NULL);
`);
const position = db.prepare('SELECT next FROM positions WHERE partition_number = ?');
const goOn = db.prepare('INSERT OR REPLACE INTO positions VALUES (?, ?)');
const add = db.prepare(`
  INSERT INTO totals VALUES (?, ?)
  ON CONFLICT (customer) DO UPDATE SET cents = cents + excluded.cents
`);

const store = await openStore(path);
const orders = await store.topic('orders', { codec: json(), partitions: 4 });

async function take(partition) {
  const from = position.get(partition)?.next ?? 'earliest';
  const options = { partitions: partition, from, follow: follow === '--follow' };
  for await (const batch of orders.batches(options)) {
    db.exec('BEGIN IMMEDIATE');
    for (const { value } of batch) add.run(value.customer, value.cents);
    goOn.run(partition, batch.nextOffset); // with the effect, or not at all
    db.exec('COMMIT');
    console.log('partition', partition, 'below', batch.nextOffset);
  }
}

const partitions = Array.from({ length: orders.partitionCount }, (_, partition) => partition);
await Promise.all(partitions.map(take));
await store.close();
