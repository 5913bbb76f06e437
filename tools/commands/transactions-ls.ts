/** `varve transactions ls <store>`: transactions that are not over, and commits that logs have yet to sync. */
import type { OpenTransaction, UnsyncedCommit } from '../../src/index.ts';
import { listTransactions } from '../../src/store/transaction-verbs.ts';
import { JSON_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { ExitCode } from '../exit-codes.ts';
import { ASKS_OWNER, STORE_ARGUMENT, STORE_WRITER_FILES } from '../store-access.ts';
import { consultStore } from '../store-desk.ts';
import { formatTable } from '../table.ts';
import { formatBytes, formatCount, formatDuration } from '../units.ts';

interface TransactionsLsOptions {
  readonly json?: true;
}

const NOTES = `First those that are not over. "collecting": its function runs. "waiting": logs are being opened, or another
commit must end first. "committing": it goes to the disk, and nothing stops it any more. They are known
only to the process that has the store open: without one "open" is null in JSON.

Then commits that are durable in the journal, and that a log has not synced yet: for about a second in a
store that is open, and after a crash until the log is used again, for what only reads does not bring them
there. "up to" is the offset behind their records, "in sight" whether readers of the log see them.`;

export const transactionsLsVerb: Verb<TransactionsLsOptions> = {
  description:
    'List the transactions of a store that are not over, and commits on their way to logs.',
  argument: STORE_ARGUMENT,
  options: [JSON_OPTION],
  help: {
    notes: NOTES,
    besideWriter: ASKS_OWNER,
    exitCodes: {
      0: 'Done; also when there is none.',
      1: true,
      2: true,
      3: true,
      4: true,
      130: true,
    },
    files: STORE_WRITER_FILES,
    seeAlso: ['producers ls', 'stats', 'journal dump'],
    examples: [
      { command: 'varve transactions ls ./store', does: 'both lists' },
      {
        command: "varve transactions ls ./store --json | jq '[.open[].ageMs] | max'",
        does: 'for an alarm: age of the oldest one that is open, ms',
      },
      {
        command: "varve transactions ls ./store --json | jq '.unsynced | length'",
        does: 'how many commits would a log get again after a power cut?',
      },
    ],
  },
  run,
};

/** As `--json` prints it; the keys are a documented contract. */
interface ListedTransaction extends OpenTransaction {
  /** By the clock of this process. */
  readonly ageMs: number;
}

async function run(
  context: CommandContext,
  path: string,
  options: TransactionsLsOptions,
): Promise<ExitCode> {
  const { output } = context;
  const { isOwner, ...listed } = await consultStore(context, path, async (desk) => {
    return { ...(await desk.ask(listTransactions, {})), isOwner: desk.isOwner };
  });
  const { unsynced } = listed;
  const nowMs = Date.now();
  const open = listed.open.map((each) => ({ ...each, ageMs: Math.max(0, nowMs - each.startedMs) }));
  if (options.json === true) {
    output.write(`${JSON.stringify({ path, open: isOwner ? open : null, unsynced })}\n`);
    return ExitCode.ok;
  }
  if (open.length > 0) output.write(openTable(open));
  if (open.length > 0 && unsynced.length > 0) output.write('\n');
  if (unsynced.length > 0) output.write(unsyncedTable(unsynced));
  if (!isOwner) context.note('no process that has the store open was asked: only what is on disk');
  else if (open.length === 0 && unsynced.length === 0) context.note(`no transaction in ${path}`);
  return ExitCode.ok;
}

function openTable(open: readonly ListedTransaction[]): string {
  return formatTable(
    [
      { title: 'id', align: 'right' },
      { title: 'name' },
      { title: 'state' },
      { title: 'age', align: 'right' },
      { title: 'bytes', align: 'right' },
      { title: 'appends', align: 'right' },
      { title: 'acks', align: 'right' },
      { title: 'positions', align: 'right' },
    ],
    open.map(({ id, name, state, ageMs, sizeBytes, appendCount, ackCount, positionCount }) => [
      String(id),
      name === '' ? '-' : name,
      state,
      formatDuration(ageMs),
      formatBytes(sizeBytes),
      formatCount(appendCount),
      formatCount(ackCount),
      formatCount(positionCount),
    ]),
  );
}

function unsyncedTable(unsynced: readonly UnsyncedCommit[]): string {
  return formatTable(
    [
      { title: 'commit', align: 'right' },
      { title: 'topic' },
      { title: 'partition', align: 'right' },
      { title: 'up to', align: 'right' },
      { title: 'in sight' },
    ],
    unsynced.map(({ journalOffset, topic, partition, nextOffset, isPending }) => [
      formatCount(journalOffset),
      topic ?? '-',
      partition === null ? '-' : String(partition),
      formatCount(nextOffset),
      isPending ? 'no' : 'yes',
    ]),
  );
}
