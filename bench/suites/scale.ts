/** Suite `scale`: what a log reaches of the machine at 10 GiB, against the same at 1 GiB. */
import { figureOf } from '../core/measurement.ts';
import type { Contest, Side } from '../core/contest.ts';
import type { Sample } from '../core/job.ts';

const GIB = 1024 * 1024 * 1024;
/** The share at 10 GiB is at least so much of the share at 1 GiB. */
const SHARE_MIN = 0.9;
/** Of a record on disk, beside its value: a key of 16 bytes and the record's own header. */
const OVERHEAD_BYTES = 28;

const RATE = { metric: 'bytes/s', unit: 'bytes/s', isHigherBetter: true } as const;

/** Makes a side that handles so many bytes. */
type SideOf = (id: string, bytes: number) => Side;

export const scaleSuite: readonly Contest[] = [
  scaleContest('append-os-100', 'append at os, 100 B', append('os', 100), machineWrite(false)),
  scaleContest('append-os-1024', 'append at os, 1 KiB', append('os', 1024), machineWrite(false)),
  scaleContest(
    'append-sync-1024',
    'append at sync, 1 KiB',
    append('sync', 1024),
    machineWrite(true),
  ),
  scaleContest('cursor-1024', 'cursor, 1 KiB', sharedRead('cursor'), sharedRead('raw')),
];

function scaleContest(name: string, title: string, log: SideOf, machine: SideOf): Contest {
  return {
    id: `scale/${name}`,
    suite: 'scale',
    title: `10 GiB against 1 GiB: ${title}`,
    notQuick: 'handles 22 GiB in each round',
    sides: [
      machine('machine-1', GIB),
      log('varve-1', GIB),
      machine('machine-10', 10 * GIB),
      log('varve-10', 10 * GIB),
    ],
    goals: [
      {
        name: `scale: share of the machine's rate at 10 GiB by that at 1 GiB, ${title}`,
        subject: 'varve-10',
        references: ['machine-10', 'varve-1', 'machine-1'],
        goal: SHARE_MIN,
        bound: 'min',
        compute: shareRatio,
      },
    ],
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
  return (id, bytes) => ({
    id,
    title: `appendBatch(1000), 16 in flight, ${bytes / GIB} GiB`,
    job: 'append',
    parameters: {
      durability,
      valueBytes,
      records: Math.round(bytes / (valueBytes + OVERHEAD_BYTES)),
      call: 'appendBatch',
      recordsPerCall: 1000,
      callsInFlight: 16,
    },
    ...RATE,
  });
}

function machineWrite(sync: boolean): SideOf {
  return (id, bytes) => ({
    id,
    title: `1 MiB writes${sync ? ', fdatasync after each' : ''}, ${bytes / GIB} GiB`,
    job: 'machine-write',
    parameters: { bytes, sync },
    ...RATE,
  });
}

function sharedRead(how: 'cursor' | 'raw'): SideOf {
  return (id, bytes) => ({
    id,
    title: `${how === 'raw' ? '1 MiB reads + zlib.crc32' : 'cursor'}, ${bytes / GIB} GiB`,
    job: 'shared-read',
    parameters: { how, bytes, valueBytes: 1024 },
    ...RATE,
  });
}
