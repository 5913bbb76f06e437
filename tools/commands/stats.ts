/** `varve stats <store>`: how much a store holds, and who has it open. */
import type { LockState } from '../../src/io/file-system.ts';
import { nodeFileSystem } from '../../src/io/node-file-system.ts';
import { liveStats } from '../../src/store/control-verbs.ts';
import type { TransactionCounts } from '../../src/index.ts';
import { JSON_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import type { ExitCode } from '../exit-codes.ts';
import { ASKS_OWNER, lookAtStore, STORE_ARGUMENT, STORE_WRITER_FILES } from '../store-access.ts';
import { consultOwner } from '../store-desk.ts';
import { figurePairs, figuresOf, type StoreFigures } from '../store-figures.ts';
import { bothOf, exitCodeOf, healthPairs } from '../store-health.ts';
import { formatPairs } from '../table.ts';
import { formatCount, formatPlural } from '../units.ts';

interface StatsVerbOptions {
  readonly json?: true;
}

export const statsVerb: Verb<StatsVerbOptions> = {
  description:
    'Show how many topics, partitions, groups and exchanges a store has, how large it is, and what is\n' +
    'wrong with it. Exit code 1 when the store has failed.',
  argument: STORE_ARGUMENT,
  options: [JSON_OPTION],
  help: {
    notes:
      'Offsets and bytes of the topics are as of the last checkpoints; a "?" means that a partition has\n' +
      'no valid one. Members of groups and the counts of transactions are known only to the process\n' +
      'that has the store open: without one, "memberCount" and "transactions" are null. The health is\n' +
      'what that process knows, and what the files tell: verify reads every byte of them.',
    besideWriter: ASKS_OWNER,
    exitCodes: { 0: true, 1: true, 2: true, 3: true, 4: true, 130: true },
    files: STORE_WRITER_FILES,
    seeAlso: ['info', 'topics ls', 'groups ls', 'journal dump', 'ls'],
    examples: [
      { command: 'varve stats ./store', does: 'a table' },
      { command: 'varve stats ./store --json | jq .sizeBytes', does: 'bytes in all logs' },
      { command: 'varve stats ./store --json | jq .health.problems', does: 'what is wrong' },
    ],
  },
  run,
};

/** As `--json` prints it; the keys are a documented contract. */
interface LiveFigures extends StoreFigures {
  /** Null when there is no owner to tell. */
  readonly memberCount: number | null;
  /** Since the owner opened the store; null when there is no owner. */
  readonly transactions: TransactionCounts | null;
}

async function run(
  context: CommandContext,
  path: string,
  options: StatsVerbOptions,
): Promise<ExitCode> {
  const { output, signal } = context;
  const figuresSeen = await lookAtStore(path, (store) => figuresOf(store, signal));
  const seen: LiveFigures = { ...figuresSeen, memberCount: null, transactions: null };
  const live = await consultOwner(context, path, (desk) => desk.ask(liveStats, {}));
  const figures = live === null ? seen : withLive(seen, live.value);
  const lock = await nodeFileSystem.lockState(path);
  if (options.json === true) output.write(`${JSON.stringify({ path, ...figures, lock })}\n`);
  else output.write(formatPairs(pairsOf(path, figures, lock)));
  return exitCodeOf(figures.health);
}

type Live = Pick<
  LiveFigures,
  'topicCount' | 'groupCount' | 'memberCount' | 'transactions' | 'journal' | 'health'
>;

/** What the owner tells is newer than what is on disk. */
function withLive(seen: LiveFigures, live: Live): LiveFigures {
  const sizeBytes = seen.sizeBytes - seen.journal.sizeBytes + live.journal.sizeBytes;
  return { ...seen, ...live, sizeBytes, health: bothOf(live.health, seen.health) };
}

function pairsOf(path: string, figures: LiveFigures, lock: LockState): [string, string][] {
  const { memberCount, transactions, health } = figures;
  const members = memberCount === null ? '' : ` with ${formatPlural(memberCount, 'member')}`;
  return [
    ['store', path],
    ...figurePairs(figures, lock, members),
    ...transactionPairs(transactions),
    ...healthPairs(health),
  ];
}

/** None where there were none, or nobody tells of them. */
function transactionPairs(counts: TransactionCounts | null): [string, string][] {
  if (counts === null) return [];
  const { openCount, committedCount, abortedCount, timedOutCount, failedCount } = counts;
  const words = [
    [openCount, 'open'],
    [committedCount, 'committed'],
    [abortedCount, 'aborted'],
    [timedOutCount, 'timed out'],
    [failedCount, 'failed'],
  ] as const;
  const told = words.filter(([count]) => count > 0);
  if (told.length === 0) return [];
  return [
    ['transactions', told.map(([count, word]) => `${formatCount(count)} ${word}`).join(', ')],
  ];
}
