/** `varve queue leases <store> <queue>`: which records are with a consumer, and for how long. */
import { Option } from 'commander';
import type { LeaseDescription } from '../../src/index.ts';
import { LEASES_MAX_DEFAULT } from '../../src/queue/share-listing.ts';
import { JSON_OPTION, NDJSON_OPTION } from '../command.ts';
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
import { parseCount } from '../ranges.ts';
import { ASKS_OWNER, STORE_ARGUMENT, STORE_WRITER_FILES } from '../store-access.ts';
import { consultStore } from '../store-desk.ts';
import { formatTable } from '../table.ts';
import { formatCount, formatDuration, formatPlural } from '../units.ts';

interface QueueLeasesOptions extends QueueChoice {
  readonly limit: number;
  readonly json?: true;
  readonly ndjson?: true;
}

const NOTES = `"attempt" is how often the record was acquired, this time included. "token" names the
lease for ever, and "left" is how long it still lasts: both are known only to the process that has the
store open. Without one they are "-", and null in JSON: what the last process had leased when it ended
comes back when the queue is used again.

${QUEUE_NOTE}`;

export const queueLeasesVerb: Verb<QueueLeasesOptions> = {
  description: 'List the records of a queue that are leased, and how long each lease still lasts.',
  argument: STORE_ARGUMENT,
  moreArguments: [QUEUE_ARGUMENT],
  options: [
    SHARE_GROUP_OPTION,
    new Option('-n, --limit <count>', 'how many to list')
      .argParser(parseCount)
      .default(LEASES_MAX_DEFAULT),
    JSON_OPTION,
    NDJSON_OPTION,
  ],
  help: {
    notes: NOTES,
    besideWriter: ASKS_OWNER,
    exitCodes: {
      0: 'Done; also when nothing is leased.',
      1: true,
      2: true,
      3: true,
      4: true,
      130: true,
    },
    files: STORE_WRITER_FILES,
    seeAlso: ['queue stats', 'queue peek', 'queue work'],
    examples: [
      { command: 'varve queue leases ./store email', does: 'a table' },
      {
        command: "varve queue leases ./store email --ndjson | jq -r 'select(.attempt > 3)'",
        does: 'those that are tried again and again',
      },
      {
        command: 'varve queue leases ./store orders --group billing',
        does: 'of a share group of a topic',
      },
    ],
  },
  run,
};

async function run(
  context: CommandContext,
  path: string,
  options: QueueLeasesOptions,
  [name = '']: readonly string[],
): Promise<ExitCode> {
  const {
    topic,
    name: group,
    leases,
    stats,
  } = await consultStore(context, path, async (desk) => {
    return describeQueue(desk, await findQueue(desk, path, name, options), options.limit);
  });
  const { output } = context;
  const { leasedCount } = stats;
  if (options.json === true) {
    output.write(`${JSON.stringify({ path, topic, group, leasedCount, leases })}\n`);
    return ExitCode.ok;
  }
  if (options.ndjson === true) {
    for (const lease of leases) output.write(`${JSON.stringify(lease)}\n`);
  } else if (leasedCount === 0) context.note('nothing is leased');
  else output.write(table(leases));
  if (leases.length < leasedCount) {
    context.note(`${formatPlural(leasedCount - leases.length, 'more lease')}: -n lists more`);
  }
  return ExitCode.ok;
}

function table(leases: readonly LeaseDescription[]): string {
  return formatTable(
    [
      { title: 'partition', align: 'right' },
      { title: 'offset', align: 'right' },
      { title: 'attempt', align: 'right' },
      { title: 'left', align: 'right' },
      { title: 'token' },
    ],
    leases.map(({ partition, offset, attempt, leaseLeftMs, token }) => [
      String(partition),
      formatCount(offset),
      formatCount(attempt),
      leaseLeftMs === null ? '-' : formatDuration(Math.max(0, leaseLeftMs)),
      token ?? '-',
    ]),
  );
}
