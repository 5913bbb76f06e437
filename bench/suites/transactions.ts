/** Suite `transactions`: small transactions beside the rate at which the disk syncs. */
import type { Contest, Side } from '../core/contest.ts';
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

const OF_F_MIN = 20;
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
];

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
