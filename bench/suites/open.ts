/** Suite `open`: a cleanly closed log of 10 GiB opens as one of 10 MiB does. */
import type { Contest, Side } from '../core/contest.ts';
import { present } from '../../src/core/assert.ts';
import { GIB, MIB, recordsIn } from './sides.ts';

const VALUE_BYTES = 1024;
/** The large log may take so much longer. */
const DIFFERENCE_MS_MAX = 50;

export const openSuite: readonly Contest[] = [
  {
    id: 'open/1GiB',
    suite: 'open',
    title: 'open after a clean close, 1 GiB',
    sides: [open('10MiB', 10 * MIB), open('1GiB', GIB)],
    goals: [],
  },
  {
    id: 'open/10GiB',
    suite: 'open',
    title: 'open after a clean close, 10 GiB',
    notQuick: 'writes a log of 10 GiB',
    sides: [open('10MiB', 10 * MIB), open('10GiB', 10 * GIB)],
    goals: [
      {
        name: 'open after a clean close, 10 GiB - 10 MiB: ms',
        subject: '10GiB',
        references: ['10MiB'],
        goal: DIFFERENCE_MS_MAX,
        bound: 'max',
        compute: (large, [small]) => large.ms - present(small ?? null, 'one reference').ms,
      },
    ],
  },
];

function open(id: string, bytes: number): Side {
  return {
    id,
    title: `openLog of ${id}`,
    job: 'open',
    parameters: { records: recordsIn(bytes, VALUE_BYTES, 1), valueBytes: VALUE_BYTES, opens: 5 },
    metric: 'ms',
    unit: 'ms',
    isHigherBetter: false,
    warmBytes: 0, // Opening writes next to nothing.
  };
}
