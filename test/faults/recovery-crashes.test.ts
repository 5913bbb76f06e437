/** Recovery itself crashes, at every call; the recovery after that too, and the one after that. */
import { afterAll, describe, expect, test } from 'vitest';

import { crashInRecovery } from '../support/faults/recovery-run.ts';
import { ROLL_WORKLOADS } from '../support/faults/roll-workloads.ts';
import { Tally } from '../support/faults/tally.ts';
import { WORKLOADS } from '../support/faults/workloads.ts';

const summaries: string[] = [];

describe.each([...WORKLOADS, ...ROLL_WORKLOADS])('$name', (workload) => {
  test('recovers after crashes of recovery, nested twice', async () => {
    const tally = new Tally();
    await crashInRecovery(workload, tally, { seed: 0, wrecksMax: [12, 6, 3], randomCount: 1 });
    summaries.push(tally.summary(workload.name));
    expect(tally.failures).toEqual([]);
    expect(tally.of('crash points')).toBeGreaterThan(100);
    expect(tally.of('recoveries crashed at level 3')).toBeGreaterThan(0);
  });
});

afterAll(() => console.log(summaries.join('\n')));
