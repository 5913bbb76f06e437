/**
 * A member that lies: commits its first batch without having read it. The quickstart must notice.
 *
 *   node skipping-reader.js <store directory> <group> <flight count>
 */
import { json, openStore } from '../../src/index.ts';
import type { Flight } from '../../tools/quickstart/flights.ts';
import { isGroupName, Member, TOPIC } from '../../tools/quickstart/group-work.ts';
import { PipeWatcher } from '../../tools/quickstart/pipe-watcher.ts';

const [directory = '', name = '', count] = process.argv.slice(2);
if (!isGroupName(name)) throw new Error('usage: skipping-reader.js <store directory> <group> <n>');

const store = await openStore(directory, { create: false });
const flights = await store.topic(TOPIC, { codec: json<Flight>(), create: false });
const group = await flights.consumerGroup(name);
for await (const batch of group.batches()) {
  await group.commit(batch); // That is the lie.
  break;
}
const watcher = new PipeWatcher();
await new Member(group, name, watcher).readUpTo(Number(count));
watcher.close();
await store.close();
