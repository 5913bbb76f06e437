/** Suite `table`: a topic as a table, in memory and bounded. */
import type { Contest, Side } from '../core/contest.ts';
import type { TableParameters } from '../jobs/table.ts';
import { byteRate, countRate, READ_WARM_BYTES } from './sides.ts';

const KEYS = 1_000_000;
const VALUE_BYTES = 100;
const GETS = 100_000;

export const tableSuite: readonly Contest[] = [
  {
    id: 'table/load',
    suite: 'table',
    title: 'topic.table(), 1 M keys, values of 100 B',
    sides: [
      byteRate({
        id: 'R',
        title: 'R: 1 MiB reads and their CRC',
        job: 'machine-read-log',
        parameters: { records: KEYS, valueBytes: VALUE_BYTES },
        warmBytes: READ_WARM_BYTES,
      }),
      load('scan', 'batches(), every key looked at', { measured: 'scan' }),
      load('memory', 'a table in memory', {}),
      load('bounded', 'a table that keeps no record', { bytesMax: 0 }),
    ],
    goals: [],
  },
  {
    id: 'table/get',
    suite: 'table',
    title: 'table.get(key), one after the other, 1 M keys',
    sides: [gets('memory', 'in memory', null), gets('bounded', 'read from the page cache', 0)],
    goals: [],
  },
];

function load(id: string, title: string, changes: Partial<TableParameters>): Side {
  const parameters = parametersOf({ measured: 'load', ...changes });
  return byteRate({ id, title, job: 'table', parameters, warmBytes: READ_WARM_BYTES });
}

function gets(id: string, title: string, bytesMax: number | null): Side {
  const parameters = parametersOf({ measured: 'get', bytesMax });
  const shared = { job: 'table', parameters, warmBytes: READ_WARM_BYTES };
  return countRate({ id, title, ...shared, unit: 'gets/s' });
}

function parametersOf(changes: Partial<TableParameters>): TableParameters {
  const shared = { keys: KEYS, valueBytes: VALUE_BYTES, gets: GETS };
  return { measured: 'load', bytesMax: null, ...shared, ...changes };
}
