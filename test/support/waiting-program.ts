/**
 * A process that does nothing but wait for records, which a timer appends that keeps no process alive:
 *
 *   node waiting-program.js member|topic|partition|log [keepsAlive]
 *
 * Prints how many records came, and then ends by itself: nothing is left that holds it.
 */
import { MemoryFileSystem, openLog, openStore, utf8 } from '../../src/index.ts';

const APPEND_AFTER_MS = 50;

const [what = '', flag = 'true'] = process.argv.slice(2);
const keepsAlive = flag === 'true';
const store = await openStore({ memory: true });
const topic = await store.topic('t', { codec: utf8, partitions: 2 });
const log = await openLog('/log', { codec: utf8, fileSystem: new MemoryFileSystem() });

const appending = setTimeout(() => {
  const isOfLog = what === 'log';
  void (isOfLog ? log.append({ value: 'a' }) : topic.append({ value: 'a' }, { partition: 0 }));
}, APPEND_AFTER_MS);
appending.unref();

const follow = { follow: true, keepsAlive };
const reads = {
  member: async () => (await topic.consumerGroup('g')).batches({ keepsAlive }),
  topic: async () => topic.batches(follow),
  partition: async () => topic.batches({ ...follow, partitions: 0 }),
  log: async () => log.batches(follow),
};
const read = Object.entries(reads).find(([name]) => name === what)?.[1];
if (read === undefined) throw new Error(`no such read: ${what}`);
for await (const batch of await read()) {
  process.stdout.write(`${batch.recordCount}\n`);
  break;
}
await store.close();
await log.close();
