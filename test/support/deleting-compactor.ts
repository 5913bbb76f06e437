/**
 * A process that compacts and lies: before it begins it deletes an airport that is flown to. The quickstart
 * must notice.
 *
 *   node deleting-compactor.js <store directory>
 */
import { json, openStore } from '../../src/index.ts';
import type { Flight } from '../../tools/quickstart/flights.ts';
import { TABLE } from '../../tools/quickstart/last-flights.ts';

const [directory = ''] = process.argv.slice(2);

const store = await openStore(directory, { create: false });
const topic = await store.topic(TABLE, { codec: json<Flight>(), create: false });
await topic.append({ key: 'ORD', value: null }); // That is the lie.
await store.close();
await import('../../tools/quickstart/flight-compactor.ts');
