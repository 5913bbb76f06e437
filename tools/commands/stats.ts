/** `varve stats <store>`: how much a store holds, and who has it open. */
import type { Health, Store } from '../../src/index.ts';
import type { LockState } from '../../src/io/file-system.ts';
import { nodeFileSystem } from '../../src/io/node-file-system.ts';
import { liveStats } from '../../src/store/control-verbs.ts';
import { JSON_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import type { ExitCode } from '../exit-codes.ts';
import { describeLock } from '../log-files.ts';
import { ASKS_OWNER, lookAtStore, STORE_ARGUMENT, STORE_WRITER_FILES } from '../store-access.ts';
import { consultOwner } from '../store-desk.ts';
import { bothOf, exitCodeOf, healthPairs, lookAtHealth } from '../store-health.ts';
import { formatPairs } from '../table.ts';
import { readTopicExtent, sumOf, type TopicExtent } from '../topic-extent.ts';
import { formatBytes, formatCount, formatPlural } from '../units.ts';

interface StatsVerbOptions {
  readonly json?: true;
}

export const statsVerb: Verb<StatsVerbOptions> = {
  name: 'stats',
  summary: 'how much a store holds, how it is, and who has it open',
  description:
    'Show how many topics, partitions and groups a store has, how large it is, and what is wrong with\n' +
    'it. Exit code 1 when the store has failed.',
  argument: STORE_ARGUMENT,
  options: [JSON_OPTION],
  help: {
    notes:
      'Offsets and bytes of the topics are as of the last checkpoints; a "?" means that a partition has\n' +
      'no valid one. Members of groups are known only to the process that has the store open: without\n' +
      'one, "memberCount" is null. The health is what that process knows, and what the files tell:\n' +
      'verify reads every byte of them.',
    besideWriter: ASKS_OWNER,
    exitCodes: { 0: true, 1: true, 2: true, 3: true, 4: true, 130: true },
    files: STORE_WRITER_FILES,
    seeAlso: ['topics ls', 'groups ls', 'journal dump', 'ls'],
    examples: [
      { command: 'varve stats ./store', does: 'a table' },
      { command: 'varve stats ./store --json | jq .sizeBytes', does: 'bytes in all logs' },
      { command: 'varve stats ./store --json | jq .health.problems', does: 'what is wrong' },
    ],
  },
  run,
};

/** As `--json` prints it; the keys are a documented contract. */
interface StoreFigures extends TopicExtent {
  readonly topicCount: number;
  readonly partitionCount: number;
  readonly groupCount: number;
  readonly health: Health;
  /** Null when there is no owner to tell. */
  readonly memberCount: number | null;
  readonly journal: {
    readonly startOffset: number;
    readonly endOffset: number;
    readonly segmentCount: number;
    readonly sizeBytes: number;
  };
}

async function run(
  context: CommandContext,
  path: string,
  options: StatsVerbOptions,
): Promise<ExitCode> {
  const { output, signal } = context;
  const seen = await lookAtStore(path, (store) => figuresOf(store, signal));
  const live = await consultOwner(context, path, (desk) => desk.ask(liveStats, {}));
  const figures = live === null ? seen : withLive(seen, live.value);
  const lock = await nodeFileSystem.lockState(path);
  if (options.json === true) output.write(`${JSON.stringify({ path, ...figures, lock })}\n`);
  else output.write(formatPairs(pairsOf(path, figures, lock)));
  return exitCodeOf(figures.health);
}

type Live = Pick<StoreFigures, 'topicCount' | 'groupCount' | 'memberCount' | 'journal' | 'health'>;

/** What the owner tells is newer than what is on disk. */
function withLive(seen: StoreFigures, live: Live): StoreFigures {
  const sizeBytes = seen.sizeBytes - seen.journal.sizeBytes + live.journal.sizeBytes;
  return { ...seen, ...live, sizeBytes, health: bothOf(live.health, seen.health) };
}

async function figuresOf(store: Store, signal: AbortSignal): Promise<StoreFigures> {
  const topics = store.topics();
  const extents: TopicExtent[] = [];
  for (const topic of topics) {
    signal.throwIfAborted();
    extents.push(await readTopicExtent(store.path, topic));
  }
  const { startOffset, endOffset, segmentCount, sizeBytes } = store.stats().journal;
  const total = sumOf(extents);
  return {
    topicCount: topics.length,
    partitionCount: topics.reduce((sum, { partitionCount }) => sum + partitionCount, 0),
    groupCount: store.groups().length,
    health: await lookAtHealth(store),
    memberCount: null,
    offsetCount: total.offsetCount,
    sizeBytes: total.sizeBytes + sizeBytes,
    journal: { startOffset, endOffset, segmentCount, sizeBytes },
  };
}

function pairsOf(path: string, figures: StoreFigures, lock: LockState): [string, string][] {
  const { topicCount, partitionCount, groupCount, memberCount } = figures;
  const { offsetCount, sizeBytes, journal } = figures;
  const members = memberCount === null ? '' : ` with ${formatPlural(memberCount, 'member')}`;
  const entries = formatPlural(journal.endOffset - journal.startOffset, 'entry');
  const segments = formatPlural(journal.segmentCount, 'segment');
  return [
    ['store', path],
    ['topics', `${formatCount(topicCount)} with ${formatPlural(partitionCount, 'partition')}`],
    ['groups', formatCount(groupCount) + members],
    ['offsets', offsetCount === null ? '?' : formatCount(offsetCount)],
    ['journal', `${entries}, ${formatBytes(journal.sizeBytes)} in ${segments}`],
    ['size', `${formatBytes(sizeBytes)} with the journal`],
    ['lock', describeLock(lock)],
    ...healthPairs(figures.health),
  ];
}
