/** The process that gets killed: `node store-child.js STORE PARTITIONS`. Uses topics, and dies. */
import { openStore } from '../../src/index.ts';
import { useTopics } from '../jobs/many-topics.ts';

const TOPICS_USED = 25;

const [path = '', partitions = '1'] = process.argv.slice(2);
const store = await openStore(path);
await useTopics(store, TOPICS_USED, Number(partitions));
void useTopics(store, TOPICS_USED, Number(partitions)); // Writes are in flight when it dies.
setImmediate(() => process.kill(process.pid, 'SIGKILL'));
