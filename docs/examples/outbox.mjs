// Moves what an application wrote into the table `outbox` of its SQLite database to a topic, each row once.
//   node outbox.mjs ./shop.db ./store [--follow]
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as pause } from 'node:timers/promises';
import { json, openStore } from 'varve';

const [, , database = './shop.db', path = './store', follow] = process.argv;
const db = new DatabaseSync(database);
db.exec(`
  PRAGMA journal_mode = WAL;
  PRAGMA busy_timeout = 5000;
  CREATE TABLE IF NOT EXISTS outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL);
`);
const select = db.prepare('SELECT id, event FROM outbox WHERE id >= ? ORDER BY id LIMIT 100');
const forget = db.prepare('DELETE FROM outbox WHERE id < ?');

const store = await openStore(path);
const orders = await store.topic('orders', { codec: json(), partitions: 4 });
const producer = await store.producer('outbox of shop.db', { gaps: 'allow' });

let { resumeFrom } = await producer.last(orders);
for (;;) {
  forget.run(resumeFrom); // they are in the store, durably: the topic is at `sync`
  const rows = select.all(resumeFrom);
  if (rows.length === 0 && follow !== '--follow') break;
  if (rows.length === 0) await pause(100);
  else {
    const events = rows.map(({ event }) => JSON.parse(event));
    await producer.appendBatch(
      orders,
      events.map((value) => ({ key: value.customer, value })),
      { sequence: rows.map(({ id }) => id) },
    );
    resumeFrom = rows.at(-1).id + 1;
    console.log('moved up to row', resumeFrom - 1);
  }
}
await store.close();
