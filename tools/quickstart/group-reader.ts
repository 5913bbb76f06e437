/**
 * The process that is killed while it reads: a member of a consumer group, from the group's
 * positions on, so the same command resumes after the kill.
 *
 *   node group-reader.js <store directory> <group> <flight count>
 */
import { json, openStore } from '../../src/index.ts';
import type { Flight } from './flights.ts';
import { isGroupName, Member, TOPIC } from './group-work.ts';
import { PipeWatcher } from './pipe-watcher.ts';

const [directory = '', name = '', count] = process.argv.slice(2);
if (!isGroupName(name)) throw new Error('usage: group-reader.js <store directory> <group> <count>');

const store = await openStore(directory, { create: false });
const flights = await store.topic(TOPIC, { codec: json<Flight>(), create: false });
const group = await flights.consumerGroup(name);
const watcher = new PipeWatcher();
await new Member(group, name, watcher).readUpTo(Number(count));
watcher.close();
await store.close();
