/** Suite `compaction`: the key map of a pass alone, and what queues keep on the disk. */
import type { Contest, Side } from '../core/contest.ts';
import type { KeyMapParameters } from '../jobs/key-map.ts';
import type { SettledQueueParameters } from '../jobs/settled-queue.ts';
import { countRate, KIB, MIB } from './sides.ts';

/** What 128 MiB hold, or nearly. */
const KEYS = 10_000_000;

export const compactionSuite: readonly Contest[] = [
  {
    id: 'compaction/map',
    suite: 'compaction',
    title: 'the key map alone, 10 M keys',
    sides: [
      side('put', 'fill it, from nothing'),
      side('hit', 'look up what is in it'),
      side('miss', 'look up what is not'),
    ],
    goals: [],
  },
  settled({
    id: 'compaction/settled',
    messages: 2_000_000,
    segmentBytesMax: 64 * MIB,
    notQuick: 'takes two minutes a round; compaction/settled-small is the same with fewer messages',
  }),
  settled({
    id: 'compaction/settled-small',
    messages: 100_000,
    segmentBytesMax: 4 * MIB,
  }),
];

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
    title: `a queue of ${messages} messages of 1 KiB, 1 % of them dead or delayed for a month`,
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
        name: 'what is settled does not stay behind what is not',
        subject: 'share',
        references: [],
        goal: 1,
        bound: 'max',
      },
    ],
  };
}

function side(measured: KeyMapParameters['measured'], title: string): Side {
  const parameters: KeyMapParameters = { measured, keys: KEYS };
  const shared = { job: 'key-map', parameters, warmBytes: 0 };
  return countRate({ id: measured, title, ...shared, unit: 'keys/s' });
}
