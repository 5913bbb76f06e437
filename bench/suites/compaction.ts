/** Suite `compaction`: a pass alone and beside others, its key map, and what queues keep on the disk. */
import { COMPACTION_MAP_BYTES_MAX } from '../../src/core/limits.ts';
import type { Contest, GoalSpec, Side } from '../core/contest.ts';
import type { CompactionParameters } from '../jobs/compaction.ts';
import type { BesideParameters } from '../jobs/compaction-beside.ts';
import type { KeyMapParameters } from '../jobs/key-map.ts';
import type { SettledQueueParameters } from '../jobs/settled-queue.ts';
import { byteRate, countRate, KIB, MIB, READ_WARM_BYTES } from './sides.ts';

/** What 128 MiB hold, or nearly. */
const KEYS = 10_000_000;
const QUICK_KEYS = KEYS / 10;
const INPUT = { valueBytes: KIB, compression: 'none' } as const;
/** Of *R*, of the bytes that are compacted. */
const SHARE_MIN = 0.07;
const TURN_MS_MAX = 20;
/** Of what a writer and a reader have alone. */
const SHARE_LEFT_MIN = 0.8;
/** As passes that begin by themselves: they read and write about 600 MiB. */
const BESIDE_BYTES_PER_SECOND = 64 * MIB;
const BESIDE_KEYS = 100_000;
const BESIDE_MS = 10_000;
/** 58 MB of them. */
const SERVICE_OBJECTS = 250_000;

export const compactionSuite: readonly Contest[] = [
  keysContest('keys', '10 M keys', {
    keys: KEYS,
    notQuick: '16 GiB: full runs only',
  }),
  keysContest('keys-1m', '1 M keys', { keys: QUICK_KEYS }),
  besideContest(),
  besideBareContest(),
  {
    id: 'compaction/gzip',
    suite: 'compaction',
    title: 'a pass over 1 M keys, values of 1 KiB, gzip',
    sides: passSides({ keys: QUICK_KEYS, compression: 'gzip' }),
    goals: [],
  },
  {
    id: 'compaction/map',
    suite: 'compaction',
    title: 'the key map alone, 10 M keys',
    sides: [
      mapSide('put', 'fill it, from nothing'),
      mapSide('hit', 'look up what is in it'),
      mapSide('miss', 'look up what is not'),
    ],
    goals: [],
  },
  settled({
    id: 'compaction/settled',
    messages: 2_000_000,
    segmentBytesMax: 64 * MIB,
    notQuick: 'two minutes a round',
  }),
  settled({
    id: 'compaction/settled-small',
    messages: 100_000,
    segmentBytesMax: 4 * MIB,
  }),
];

function keysContest(
  name: string,
  title: string,
  { keys, notQuick }: { readonly keys: number; readonly notQuick?: string },
): Contest {
  const goal: Omit<GoalSpec, 'name' | 'goal' | 'bound'> = { subject: 'pass', references: [] };
  return {
    id: `compaction/${name}`,
    suite: 'compaction',
    title: `a pass over ${title}, values of 1 KiB`,
    sides: [...passSides({ keys }), copySide({ keys })],
    goals: [
      {
        ...goal,
        name: `a pass over ${title}: of R`,
        references: ['R'],
        goal: SHARE_MIN,
        bound: 'min',
      },
      { ...goal, name: `passes over ${title}`, metric: 'extra:passCount', goal: 1, bound: 'max' },
      {
        ...goal,
        name: `longest turn of a pass over ${title}: ms`,
        metric: 'extra:maxStallMs',
        goal: TURN_MS_MAX,
        bound: 'max',
      },
    ],
    ...(notQuick === undefined ? {} : { notQuick }),
  };
}

/** Turns of a pass that are longer than those of this are its own. */
function copySide({ keys }: Pick<CompactionParameters, 'keys'>): Side {
  return {
    id: 'copy',
    title: 'longest turn of a bare copy',
    job: 'compaction',
    parameters: { ...INPUT, measured: 'copy', mapBytes: COMPACTION_MAP_BYTES_MAX, keys },
    metric: 'extra:maxStallMs',
    unit: 'ms',
    isHigherBetter: false,
    warmBytes: 0,
    ...(keys < KEYS ? {} : { skipsWarmUp: true }),
  };
}

function passSides(input: Pick<CompactionParameters, 'keys'> & Partial<CompactionParameters>) {
  const mapBytes = Math.floor((COMPACTION_MAP_BYTES_MAX / KEYS) * input.keys); // The same load.
  const parameters: CompactionParameters = { ...INPUT, measured: 'R', mapBytes, ...input };
  const shared = { job: 'compaction', warmBytes: READ_WARM_BYTES };
  return [
    byteRate({ id: 'R', title: 'R: 1 MiB reads and their CRC', ...shared, parameters }),
    byteRate({
      id: 'pass',
      title: `compact(), a map of ${Math.round(mapBytes / MIB)} MiB`,
      ...shared,
      parameters: { ...parameters, measured: 'pass' },
      ...(parameters.keys < KEYS ? {} : { skipsWarmUp: true }),
    }),
  ];
}

/** In a process that keeps objects: what both sides lose is what the pass takes, and nothing of V8's. */
function besideContest(): Contest {
  const goal = {
    subject: 'beside',
    references: ['alone'],
    goal: SHARE_LEFT_MIN,
    bound: 'min',
  } as const;
  return {
    id: 'compaction/beside',
    suite: 'compaction',
    title: 'a writer and a reader beside a pass of 64 MiB/s',
    sides: besideSides(SERVICE_OBJECTS),
    goals: [
      {
        ...goal,
        name: 'left of a writer at sync beside a pass: of alone',
        metric: 'extra:writtenBytesPerSecond',
      },
      {
        ...goal,
        name: 'left of a reader beside a pass: of alone',
        metric: 'extra:readBytesPerSecond',
      },
    ],
  };
}

/** With nothing else in the process: V8 has little to collect in one turn, so what is long is ours. */
function besideBareContest(): Contest {
  return {
    id: 'compaction/beside-bare',
    suite: 'compaction',
    title: 'the same in a process that keeps no objects',
    sides: besideSides(0),
    goals: [
      {
        subject: 'beside',
        references: [],
        metric: 'extra:maxStallMs',
        name: 'longest turn of a writer, a reader and a pass: ms',
        goal: TURN_MS_MAX,
        bound: 'max',
      },
    ],
  };
}

function besideSides(objectCount: number): readonly Side[] {
  return [
    besideSide('alone', 'no pass', { objectCount, bytesPerSecondMax: null }),
    besideSide('beside', 'a pass', { objectCount, bytesPerSecondMax: BESIDE_BYTES_PER_SECOND }),
  ];
}

function besideSide(
  id: string,
  title: string,
  differs: Pick<BesideParameters, 'objectCount' | 'bytesPerSecondMax'>,
): Side {
  const parameters: BesideParameters = { ...INPUT, keys: BESIDE_KEYS, ms: BESIDE_MS, ...differs };
  return byteRate({
    id,
    title: `appendBatch(1000) at sync, a scan: ${title}`,
    job: 'compaction-beside',
    parameters,
    warmBytes: READ_WARM_BYTES,
  });
}

interface SettledSize
  extends
    Pick<Contest, 'id' | 'notQuick'>,
    Pick<SettledQueueParameters, 'messages' | 'segmentBytesMax'> {}

/** What is left on the disk of a queue that keeps 1 % of its messages, of what it may have. */
function settled({ messages, segmentBytesMax, ...contest }: SettledSize): Contest {
  const parameters: SettledQueueParameters = { messages, valueBytes: KIB, segmentBytesMax };
  return {
    ...contest,
    suite: 'compaction',
    title: `a queue of ${messages / 1e6} M messages, 1 % dead or delayed`,
    sides: [
      {
        id: 'share',
        title: 'bytes / (3 x what is not settled + 2 segments)',
        job: 'settled-queue',
        parameters,
        metric: 'extra:share',
        unit: 'of 1',
        isHigherBetter: false,
        warmBytes: 0,
        skipsWarmUp: true,
      },
    ],
    goals: [
      {
        name: `disk of a queue of ${messages / 1e6} M, 1 % unsettled: of its bound`,
        subject: 'share',
        references: [],
        goal: 1,
        bound: 'max',
      },
    ],
  };
}

function mapSide(measured: KeyMapParameters['measured'], title: string): Side {
  const parameters: KeyMapParameters = { measured, keys: KEYS };
  const shared = { job: 'key-map', parameters, warmBytes: 0 };
  return countRate({ id: measured, title, ...shared, unit: 'keys/s' });
}
