/** `varve queue ls <store>`: the queues and share groups of a store. */
import { CorruptLogError } from '../../src/index.ts';
import type { ShareGroupDescription, ShareGroupListing } from '../../src/index.ts';
import { OwnerError } from '../../src/store/owner-error.ts';
import { listShareGroups } from '../../src/store/queue-verbs.ts';
import { JSON_OPTION, NDJSON_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { ExitCode } from '../exit-codes.ts';
import { describeQueue } from '../queue-choice.ts';
import { ASKS_OWNER, STORE_ARGUMENT, STORE_WRITER_FILES } from '../store-access.ts';
import { consultStore, type StoreDesk } from '../store-desk.ts';
import { formatTable } from '../table.ts';
import { formatCount, formatDuration } from '../units.ts';

interface QueueLsOptions {
  readonly json?: true;
  readonly ndjson?: true;
}

const NOTES = `"group" is empty for a queue, and the name of a share group of a topic otherwise. "ready" can be handed
out now, "leased" is with a consumer, "delayed" was given back for later, and "dead" was given up and
kept. "oldest ready" is how long the oldest ready record has been there. A "?" stands where a log is
damaged. Without a process that has the store open, "leased" is what the last one had when it ended.`;

export const queueLsVerb: Verb<QueueLsOptions> = {
  description: 'List the queues and share groups of a store, and what waits in them.',
  argument: STORE_ARGUMENT,
  options: [JSON_OPTION, NDJSON_OPTION],
  help: {
    notes: NOTES,
    besideWriter: ASKS_OWNER,
    exitCodes: {
      0: 'Done; also when there is no queue.',
      1: true,
      2: true,
      3: true,
      4: true,
      130: true,
    },
    files: STORE_WRITER_FILES,
    seeAlso: ['queue stats', 'queue peek', 'queue leases', 'groups ls'],
    examples: [
      { command: 'varve queue ls ./store', does: 'all of them' },
      {
        command: "varve queue ls ./store --ndjson | jq -r 'select(.deadCount > 0) | .topic'",
        does: 'those with dead records',
      },
      {
        command: "varve queue ls ./store --json | jq '[.queues[].oldestReadyAgeMs] | max'",
        does: 'for an alarm: how long the oldest record has waited, ms',
      },
    ],
  },
  run,
};

/** As `--json` prints it; the keys are a documented contract. Figures are null at damage. */
interface ListedQueue extends Pick<ShareGroupListing, 'topic' | 'isQueue'> {
  readonly group: string;
  readonly readyCount: number | null;
  readonly leasedCount: number | null;
  readonly delayedCount: number | null;
  readonly deadCount: number | null;
  readonly oldestReadyAgeMs: number | null;
  readonly isPaused: boolean | null;
}

async function run(
  context: CommandContext,
  path: string,
  options: QueueLsOptions,
): Promise<ExitCode> {
  const { output } = context;
  const queues = await consultStore(context, path, async (desk) => {
    const listed: ListedQueue[] = [];
    for (const found of await desk.ask(listShareGroups, {})) {
      listed.push(await listQueue(context, desk, found));
    }
    return listed;
  });
  if (options.json === true) output.write(`${JSON.stringify({ path, queues })}\n`);
  else if (options.ndjson === true) {
    for (const queue of queues) output.write(`${JSON.stringify(queue)}\n`);
  } else if (queues.length === 0) context.note(`no queue and no share group in ${path}`);
  else output.write(table(queues));
  return queues.every(({ readyCount }) => readyCount !== null) ? ExitCode.ok : ExitCode.corrupt;
}

async function listQueue(
  context: CommandContext,
  desk: StoreDesk,
  found: ShareGroupListing,
): Promise<ListedQueue> {
  context.signal.throwIfAborted();
  const { topic, name: group, isQueue } = found;
  try {
    return figuresOf(await describeQueue(desk, found));
  } catch (error) {
    if (!isDamage(error)) throw error;
    context.warn(`group ${group} of topic ${topic}: ${error.message}`);
    const unknown = { readyCount: null, leasedCount: null, delayedCount: null, deadCount: null };
    return { topic, group, isQueue, ...unknown, oldestReadyAgeMs: null, isPaused: null };
  }
}

function isDamage(error: unknown): error is Error {
  if (error instanceof CorruptLogError) return true;
  return error instanceof OwnerError && error.code === 'ERR_VARVE_CORRUPT';
}

function figuresOf({ topic, name: group, isQueue, stats }: ShareGroupDescription): ListedQueue {
  const { readyCount, leasedCount, delayedCount, deadCount, oldestReadyAgeMs, isPaused } = stats;
  const counts = { readyCount, leasedCount, delayedCount, deadCount };
  return { topic, group, isQueue, ...counts, oldestReadyAgeMs, isPaused };
}

function table(queues: readonly ListedQueue[]): string {
  return formatTable(
    [
      { title: 'topic' },
      { title: 'group' },
      { title: 'ready', align: 'right' },
      { title: 'leased', align: 'right' },
      { title: 'delayed', align: 'right' },
      { title: 'dead', align: 'right' },
      { title: 'oldest ready', align: 'right' },
      { title: 'paused' },
    ],
    queues.map((queue) => [
      queue.topic,
      queue.isQueue ? '' : queue.group,
      countCell(queue.readyCount),
      countCell(queue.leasedCount),
      countCell(queue.delayedCount),
      countCell(queue.deadCount),
      queue.oldestReadyAgeMs === null ? '-' : formatDuration(queue.oldestReadyAgeMs),
      queue.isPaused === true ? 'yes' : '',
    ]),
  );
}

function countCell(count: number | null): string {
  return count === null ? '?' : formatCount(count);
}
