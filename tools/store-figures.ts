/** How much a store holds, as `stats` and `info` print it. */
import type { Health, Store } from '../src/index.ts';
import type { LockState } from '../src/io/file-system.ts';
import { describeLock } from './log-files.ts';
import { lookAtHealth } from './store-health.ts';
import { readTopicExtent, sumOf, type TopicExtent } from './topic-extent.ts';
import { formatBytes, formatCount, formatPlural } from './units.ts';

/** As `--json` prints it; the keys are a documented contract. */
export interface StoreFigures extends TopicExtent {
  readonly topicCount: number;
  readonly partitionCount: number;
  readonly groupCount: number;
  readonly exchangeCount: number;
  /** Of all exchanges. */
  readonly bindingCount: number;
  readonly health: Health;
  readonly journal: {
    readonly startOffset: number;
    readonly endOffset: number;
    readonly segmentCount: number;
    readonly sizeBytes: number;
  };
}

/** What a store that is open to be read tells of itself and its files. */
export async function figuresOf(store: Store, signal: AbortSignal): Promise<StoreFigures> {
  const topics = store.topics();
  const exchanges = store.exchanges();
  const extents: TopicExtent[] = [];
  for (const topic of topics) {
    signal.throwIfAborted();
    extents.push(await readTopicExtent(store, topic));
  }
  const { startOffset, endOffset, segmentCount, sizeBytes } = store.stats().journal;
  const total = sumOf(extents);
  return {
    topicCount: topics.length,
    partitionCount: topics.reduce((sum, { partitionCount }) => sum + partitionCount, 0),
    groupCount: store.groups().length,
    exchangeCount: exchanges.length,
    bindingCount: exchanges.reduce((sum, { bindingCount }) => sum + bindingCount, 0),
    health: await lookAtHealth(store),
    offsetCount: total.offsetCount,
    sizeBytes: total.sizeBytes + sizeBytes,
    journal: { startOffset, endOffset, segmentCount, sizeBytes },
  };
}

/** @param members  behind the number of groups; empty where nobody tells of them */
export function figurePairs(
  figures: StoreFigures,
  lock: LockState,
  members = '',
): [string, string][] {
  const { topicCount, partitionCount, groupCount, exchangeCount, bindingCount } = figures;
  const { offsetCount, sizeBytes, journal } = figures;
  const entries = formatPlural(journal.endOffset - journal.startOffset, 'entry');
  const segments = formatPlural(journal.segmentCount, 'segment');
  return [
    ['topics', `${formatCount(topicCount)} with ${formatPlural(partitionCount, 'partition')}`],
    ['groups', formatCount(groupCount) + members],
    ...(exchangeCount === 0
      ? []
      : ([
          [
            'exchanges',
            `${formatCount(exchangeCount)} with ${formatPlural(bindingCount, 'binding')}`,
          ],
        ] satisfies [string, string][])),
    ['offsets', offsetCount === null ? '?' : formatCount(offsetCount)],
    ['journal', `${entries}, ${formatBytes(journal.sizeBytes)} in ${segments}`],
    ['size', `${formatBytes(sizeBytes)} with the journal`],
    ['lock', describeLock(lock)],
  ];
}
