/** Suite `random`: `read(offset)` at random offsets, beside raw random reads of 4 KiB. */
import type { Contest, Side } from '../core/contest.ts';
import type { RandomParameters } from '../jobs/random.ts';
import { countRate, KIB, MIB, READ_WARM_BYTES, recordsIn } from './sides.ts';

const VALUE_BYTES = 100;
/** Half of the default cache: every batch stays in it. */
const CACHED_BYTES = 16 * MIB;
/** 8 times the default cache: most reads miss it. */
const STORED_BYTES = 256 * MIB;
const SMALL_BATCH_BYTES = 16 * KIB;
const SEED = 20_261_121;

/** Of one run; each about half a second. */
const PREADS = 400_000;
const CACHED_READS = 800_000;
const STORED_READS = 40_000;

/** The part of a log's parameters that makes a place to read from. */
type Place = Pick<RandomParameters, 'batchBytesMax' | 'cacheBytes' | 'warm' | 'records' | 'reads'>;

const CACHED: Place = {
  batchBytesMax: null,
  cacheBytes: null,
  warm: true,
  records: recordsIn(CACHED_BYTES, VALUE_BYTES),
  reads: CACHED_READS,
};

/** No cache at all: every read is a miss, whatever offsets come up. */
const STORED: Place = {
  batchBytesMax: SMALL_BATCH_BYTES,
  cacheBytes: 0,
  warm: false,
  records: recordsIn(STORED_BYTES, VALUE_BYTES),
  reads: STORED_READS,
};

export const randomSuite: readonly Contest[] = [
  {
    id: 'random/cached',
    suite: 'random',
    title: 'read(offset) from cached batches, values of 100 B',
    sides: [pread(), reads('x16', CACHED, 16), reads('x1', CACHED, 1)],
    goals: [
      {
        name: 'read(offset), cached: multiple of 4 KiB fs.readSync',
        subject: 'x16',
        references: ['pread'],
        goal: 2,
        bound: 'min',
      },
    ],
  },
  {
    id: 'random/stored',
    suite: 'random',
    title: 'read(offset) from the page cache, batches of 16 KiB, 100 B',
    sides: [pread(), reads('x16', STORED, 16), reads('x1', STORED, 1)],
    goals: [
      {
        name: 'read(offset), 16 KiB batches: share of fs.readSync',
        subject: 'x16',
        references: ['pread'],
        goal: 0.1,
        bound: 'min',
      },
    ],
  },
  {
    id: 'random/defaults',
    suite: 'random',
    title: 'read(offset) by default, a log 8 times the cache, 100 B',
    sides: [
      pread(),
      reads('x16', { ...STORED, batchBytesMax: null, cacheBytes: null, reads: 20_000 }, 16),
      reads('x1', { ...STORED, batchBytesMax: null, cacheBytes: null, reads: 20_000 }, 1),
    ],
    goals: [],
    notQuick: 'random reads without a goal: full runs only',
  },
];

function pread(): Side {
  return countRate({
    id: 'pread',
    title: 'fs.readSync of 4 KiB',
    job: 'machine-pread',
    parameters: { bytes: STORED_BYTES, reads: PREADS, seed: SEED },
    unit: 'reads/s',
    warmBytes: READ_WARM_BYTES,
  });
}

function reads(id: string, place: Place, callsInFlight: number): Side {
  const parameters: RandomParameters = {
    ...place,
    valueBytes: VALUE_BYTES,
    callsInFlight,
    seed: SEED,
  };
  return countRate({
    id,
    title: `read(offset), ${callsInFlight} in flight`,
    job: 'random',
    parameters,
    unit: 'reads/s',
    warmBytes: READ_WARM_BYTES,
  });
}
