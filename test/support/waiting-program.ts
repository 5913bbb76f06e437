/**
 * A process that does nothing but wait for a record. With `keepsAlive` true a timer appends one, which
 * holds no process itself; with false nothing comes, and of a table nobody waits for anything.
 *
 *   node waiting-program.js member|topic|partition|log|changes|reached [true|false]
 *
 * Prints how many records came, and then ends by itself: nothing is left that holds it.
 */
import { MemoryFileSystem, openLog, openStore, utf8, type TopicTable } from '../../src/index.ts';

const APPEND_AFTER_MS = 50;

const [what = '', flag = 'true'] = process.argv.slice(2);
const keepsAlive = flag === 'true';
const store = await openStore({ memory: true });
const topic = await store.topic('t', { codec: utf8, partitions: 2 });
const log = await openLog('/log', { codec: utf8, fileSystem: new MemoryFileSystem() });

/** What a table waits for, as a read of one batch. */
async function ofTable(wait: (table: TopicTable<string>) => Promise<unknown>) {
  const table = await topic.table();
  async function* once() {
    await (keepsAlive ? wait(table) : new Promise(() => undefined));
    yield { recordCount: 1 };
  }
  return once();
}

const follow = { follow: true, keepsAlive };
const reads = {
  member: async () => (await topic.consumerGroup('g')).batches({ keepsAlive }),
  topic: async () => topic.batches(follow),
  partition: async () => topic.batches({ ...follow, partitions: 0 }),
  log: async () => log.batches(follow),
  changes: () => ofTable((table) => table.changes().next()),
  reached: () => ofTable((table) => table.reached({ partition: 0, offset: 0 })),
};
const read = Object.entries(reads).find(([name]) => name === what)?.[1];
if (read === undefined) throw new Error(`no such read: ${what}`);
const batches = await read();
const next = batches.next();
if (keepsAlive) {
  // Behind the wait: whether the process lives to see it is what this is about.
  const append = async (): Promise<unknown> =>
    what === 'log'
      ? log.append({ value: 'a' })
      : topic.append({ key: 'k', value: 'a' }, { partition: 0 });
  setTimeout(() => void append(), APPEND_AFTER_MS).unref();
}
const { value } = await next;
process.stdout.write(`${value?.recordCount}\n`);
await batches.return();
await store.close();
await log.close();
