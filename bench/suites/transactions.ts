/** Suite `transactions`: small ones beside the rate at which the disk syncs, and what else is exactly once. */
import type { Contest, Side } from '../core/contest.ts';
import type { GroupProcessParameters } from '../jobs/group-process.ts';
import type { ProducerAppendParameters } from '../jobs/producer-append.ts';
import type { TransactionParameters } from '../jobs/transaction.ts';
import { countRate, machineSync, SINGLE_WARM_BYTES } from './sides.ts';

const VALUE_BYTES = 100;
const CALLERS = 100;
/** Ten seconds and more, and several snapshots of the journal. */
const TRANSACTIONS = 1_000_000;
/** Long enough for what the compiler makes of them. */
const COST_TRANSACTIONS = 200_000;
/** Two seconds: the disk is no steadier than that. */
const SYNCS = 10_000;

const PROCESS_BATCH = 100;
const PROCESSED_RECORDS = 500_000;
const PRODUCED_RECORDS = 2_000_000;

const OF_F_MIN = 20;
const OF_TOPIC_MIN = 0.9;
const SYNCS_OF_GROUP_MAX = 1.05;

export const transactionsSuite: readonly Contest[] = [
  {
    id: 'transactions/small',
    suite: 'transactions',
    title: `one ack and two appends of ${VALUE_BYTES} B, at sync`,
    sides: [machineSync(SYNCS), transactions('varve', `${CALLERS} in flight`)],
    goals: [
      {
        name: `transactions: ack, two appends, ${CALLERS} in flight: of F`,
        subject: 'varve',
        references: ['F'],
        goal: OF_F_MIN,
        bound: 'min',
      },
      {
        name: 'fdatasyncs of a group of transactions',
        subject: 'varve',
        references: [],
        metric: 'extra:datasyncsPerGroup',
        goal: SYNCS_OF_GROUP_MAX,
        bound: 'max',
      },
    ],
  },
  {
    id: 'transactions/cost',
    suite: 'transactions',
    title: 'one of them: CPU time of all threads, and how long it takes',
    sides: [cost('cpu', 'CPU', 'extra:cpuUs'), cost('p99', 'p99', 'extra:p99Us')],
    goals: [],
  },
  {
    id: 'transactions/mixed',
    suite: 'transactions',
    title: 'the same beside plain appends to one of the topics',
    notQuick: 'no goal',
    sides: [
      machineSync(SYNCS),
      transactions('varve', `${CALLERS} in flight, one plain append`, { plainBytes: VALUE_BYTES }),
    ],
    goals: [],
  },
  {
    id: 'transactions/process',
    suite: 'transactions',
    title: `a group reads ${PROCESS_BATCH} of ${VALUE_BYTES} B, and writes as many at sync`,
    sides: [
      process('plain', 'append, then commit', { isTransactional: false }),
      process('process', 'process: both in one transaction', { isTransactional: true }),
    ],
    goals: [],
  },
  {
    id: 'transactions/producer',
    suite: 'transactions',
    title: `appendBatch(1000), 16 in flight, ${VALUE_BYTES} B, at sync`,
    sides: [
      produced('topic', 'topic', { isProduced: false }),
      produced('producer', 'producer', { isProduced: true }),
    ],
    goals: [
      {
        name: 'appends of a producer: of those of the topic',
        subject: 'producer',
        references: ['topic'],
        goal: OF_TOPIC_MIN,
        bound: 'min',
      },
    ],
  },
];

function process(
  id: string,
  title: string,
  { isTransactional }: Pick<GroupProcessParameters, 'isTransactional'>,
): Side {
  const parameters: GroupProcessParameters = {
    isTransactional,
    valueBytes: VALUE_BYTES,
    records: PROCESSED_RECORDS,
    recordsPerBatch: PROCESS_BATCH,
  };
  const shown = { unit: 'records/s', warmBytes: SINGLE_WARM_BYTES };
  return countRate({ id, title, job: 'group-process', parameters, ...shown });
}

function produced(
  id: string,
  title: string,
  { isProduced }: Pick<ProducerAppendParameters, 'isProduced'>,
): Side {
  const parameters: ProducerAppendParameters = {
    isProduced,
    valueBytes: VALUE_BYTES,
    records: PRODUCED_RECORDS,
    recordsPerCall: 1000,
    callsInFlight: 16,
  };
  const shown = { unit: 'records/s', warmBytes: SINGLE_WARM_BYTES };
  return countRate({ id, title, job: 'producer-append', parameters, ...shown });
}

function transactions(id: string, title: string, plan: Partial<TransactionParameters> = {}): Side {
  const side = {
    id,
    title,
    job: 'transaction',
    parameters: parametersOf(plan),
    unit: 'transactions/s',
    warmBytes: SINGLE_WARM_BYTES,
  };
  return { ...countRate(side), skipsWarmUp: true };
}

function cost(id: string, title: string, metric: Side['metric']): Side {
  const parameters = parametersOf({ transactions: COST_TRANSACTIONS });
  const shown = { metric, unit: 'us', isHigherBetter: false };
  return { id, title, job: 'transaction', parameters, ...shown, warmBytes: SINGLE_WARM_BYTES };
}

function parametersOf(plan: Partial<TransactionParameters>): TransactionParameters {
  return {
    valueBytes: VALUE_BYTES,
    transactions: TRANSACTIONS,
    callers: CALLERS,
    plainBytes: null,
    ...plan,
  };
}
