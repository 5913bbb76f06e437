/** `varve queue stats <store> <queue>`: the figures and the settings of a queue or share group. */
import type { ShareGroupDescription } from '../../src/index.ts';
import { JSON_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { ExitCode } from '../exit-codes.ts';
import {
  describeQueue,
  findQueue,
  QUEUE_ARGUMENT,
  QUEUE_NOTE,
  SHARE_GROUP_OPTION,
  type QueueChoice,
} from '../queue-choice.ts';
import { ASKS_OWNER, STORE_ARGUMENT, STORE_WRITER_FILES } from '../store-access.ts';
import { consultStore } from '../store-desk.ts';
import { formatPairs } from '../table.ts';
import { formatCount, formatDuration } from '../units.ts';

interface QueueStatsOptions extends QueueChoice {
  readonly json?: true;
}

const NOTES = `How records ended is counted since the group was made: those that were
acknowledged, those that died by reason, and those that were removed. Consumers are known only to the
process that has the store open: "consumerCount" is null in JSON, and missing in text, when no such
process was asked.

${QUEUE_NOTE}`;

export const queueStatsVerb: Verb<QueueStatsOptions> = {
  description: 'Show what waits in a queue, what is leased, how records ended, and how it is set.',
  argument: STORE_ARGUMENT,
  moreArguments: [QUEUE_ARGUMENT],
  options: [SHARE_GROUP_OPTION, JSON_OPTION],
  help: {
    notes: NOTES,
    besideWriter: ASKS_OWNER,
    exitCodes: { 0: true, 1: true, 2: true, 3: true, 4: true, 130: true },
    files: STORE_WRITER_FILES,
    seeAlso: ['queue ls', 'queue leases', 'queue peek', 'queue pause'],
    examples: [
      { command: 'varve queue stats ./store email', does: 'a table' },
      {
        command: 'varve queue stats ./store orders --group billing',
        does: 'of a share group of a topic',
      },
      {
        command: 'varve queue stats ./store email --json | jq .stats.unsettledCount',
        does: 'what is left to do',
      },
    ],
  },
  run,
};

async function run(
  context: CommandContext,
  path: string,
  options: QueueStatsOptions,
  [name = '']: readonly string[],
): Promise<ExitCode> {
  const { isOwner, described } = await consultStore(context, path, async (desk) => {
    const found = await findQueue(desk, path, name, options);
    return { isOwner: desk.isOwner, described: await describeQueue(desk, found) };
  });
  const { topic, name: group, isQueue, settings, stats } = described;
  const consumerCount = isOwner ? described.consumerCount : null;
  const { output } = context;
  if (options.json === true) {
    const document = { path, topic, group, isQueue, consumerCount, settings, stats };
    output.write(`${JSON.stringify(document)}\n`);
  } else output.write(formatPairs(pairsOf(described, consumerCount)));
  return ExitCode.ok;
}

function pairsOf(
  { topic, name, isQueue, settings, stats }: ShareGroupDescription,
  consumerCount: number | null,
): [string, string][] {
  const { readyCount, leasedCount, delayedCount, deadCount, oldestReadyAgeMs, isPaused } = stats;
  const { condemnedCount } = stats;
  const ended = Object.entries(stats.settled).filter(
    ([how, count]) => count > 0 || how === 'acked',
  );
  return [
    ...(isQueue
      ? ([['queue', topic]] satisfies [string, string][])
      : ([
          ['topic', topic],
          ['group', name],
        ] satisfies [string, string][])),
    ['ready', formatCount(readyCount)],
    ['leased', formatCount(leasedCount)],
    ['delayed', formatCount(delayedCount)],
    ...(condemnedCount === 0
      ? []
      : ([['condemned', formatCount(condemnedCount)]] satisfies [string, string][])),
    ['dead', formatCount(deadCount)],
    ['oldest ready', oldestReadyAgeMs === null ? '-' : formatDuration(oldestReadyAgeMs)],
    ['paused', isPaused ? 'yes' : 'no'],
    ...(consumerCount === null
      ? []
      : ([['consumers', formatCount(consumerCount)]] satisfies [string, string][])),
    ...ended.map(([how, count]): [string, string] => [`ended: ${how}`, formatCount(count)]),
    ...Object.entries(settings).map(([key, value]): [string, string] => [
      key,
      String(value ?? '-'),
    ]),
  ];
}
