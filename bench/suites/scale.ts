/**
 * Suite `scale`: what a log reaches of the machine at 10 GiB, against the same at 1 GiB.
 *
 * Each contest runs all its sides over 1 GiB and over 10 GiB. Those of 10 GiB stand first and last,
 * so that in both directions each finds the memory that another large one gave back moments before,
 * and none pays more than another for getting it from the host (see `core/warm-memory.ts`).
 */
import type { Contest, GoalSpec, Side } from '../core/contest.ts';
import type { Sample } from '../core/job.ts';
import { figureOf } from '../core/measurement.ts';
import { appendBatches, byteRate, GIB, recordsIn, sizeName } from './sides.ts';

/** The share at 10 GiB is at least so much of the share at 1 GiB. */
const SHARE_MIN = 0.9;

const NOT_QUICK = 'handles 10 GiB per side';

/** Makes a side of a contest that handles so many GiB. */
type SideOf = (gib: number) => Side;

export const scaleSuite: readonly Contest[] = [
  appendContest('os', [100, 1024]),
  appendContest('sync', [1024]),
  cursorContest(1024),
];

/** The log with each size of values, beside one machine. */
function appendContest(durability: 'os' | 'sync', valueSizes: readonly number[]): Contest {
  const machine = machineWrite(durability === 'sync');
  const logs = valueSizes.map((valueBytes) => append(durability, valueBytes));
  return {
    id: `scale/append-${durability}`,
    suite: 'scale',
    title: `10 GiB against 1 GiB: append at ${durability}`,
    notQuick: NOT_QUICK,
    sides: [
      machine(10),
      ...[machine, ...logs].map((side) => side(1)),
      ...logs.map((side) => side(10)),
    ],
    goals: valueSizes.map((valueBytes) =>
      shareGoal(`append at ${durability}, ${sizeName(valueBytes)}`, `varve-${valueBytes}`),
    ),
  };
}

/** Cursor and machine read the same logs. */
function cursorContest(valueBytes: number): Contest {
  const [machine, log] = [machineRead(valueBytes), cursor(valueBytes)];
  return {
    id: 'scale/cursor',
    suite: 'scale',
    title: `10 GiB against 1 GiB: cursor, values of ${sizeName(valueBytes)}`,
    notQuick: NOT_QUICK,
    sides: [machine(10), machine(1), log(1), log(10)],
    goals: [shareGoal(`cursor, ${sizeName(valueBytes)}`, `varve-${valueBytes}`)],
  };
}

function shareGoal(what: string, subject: string): GoalSpec {
  return {
    name: `${what}: share at 10 GiB / at 1 GiB`,
    subject: `${subject}-10`,
    references: ['machine-10', `${subject}-1`, 'machine-1'],
    goal: SHARE_MIN,
    bound: 'min',
    compute: shareRatio,
  };
}

/** (log / machine at 10 GiB) / (log / machine at 1 GiB), of one round. */
function shareRatio(log10: Sample, references: readonly Sample[]): number {
  const [machine10 = Number.NaN, log1 = Number.NaN, machine1 = Number.NaN] = references.map(
    (sample) => figureOf(sample, 'bytes/s'),
  );
  return figureOf(log10, 'bytes/s') / machine10 / (log1 / machine1);
}

function append(durability: 'os' | 'sync', valueBytes: number): SideOf {
  return (gib) =>
    byteRate({
      id: `varve-${valueBytes}-${gib}`,
      title: `appendBatch(1000) x 16, ${sizeName(valueBytes)}: ${gib} GiB`,
      job: 'append',
      parameters: appendBatches({
        durability,
        valueBytes,
        records: recordsIn(gib * GIB, valueBytes),
      }),
      ...writerOf(gib),
    });
}

function machineWrite(sync: boolean): SideOf {
  return (gib) =>
    byteRate({
      id: `machine-${gib}`,
      title: `1 MiB writes${sync ? ' + fdatasync' : ''}: ${gib} GiB`,
      job: 'machine-write',
      parameters: { bytes: gib * GIB, sync },
      ...writerOf(gib),
    });
}

/** Warm memory for 1 GiB; 10 GiB warm themselves. */
function writerOf(gib: number) {
  return gib === 1 ? { warmBytes: GIB } : { warmBytes: 0, skipsWarmUp: true as const };
}

function cursor(valueBytes: number): SideOf {
  return (gib) =>
    byteRate({
      id: `varve-${valueBytes}-${gib}`,
      title: `cursor: ${gib} GiB`,
      job: 'read',
      parameters: { walk: 'cursor', valueBytes, records: recordsIn(gib * GIB, valueBytes) },
      warmBytes: 0, // It reads what is in the page cache, and would only push it out.
    });
}

function machineRead(valueBytes: number): SideOf {
  return (gib) =>
    byteRate({
      id: `machine-${gib}`,
      title: `1 MiB reads + CRC of the same log: ${gib} GiB`,
      job: 'machine-read-log',
      parameters: { valueBytes, records: recordsIn(gib * GIB, valueBytes) },
      warmBytes: 0,
    });
}
