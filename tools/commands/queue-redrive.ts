/** `varve queue redrive <store> <queue>`: dead records are tried again; a dry run unless `--yes`. */
import { InvalidArgumentError, Option } from 'commander';
import { isStoreError } from '../../src/index.ts';
import type { RedriveReport } from '../../src/index.ts';
import type { RecordPlace } from '../../src/queue/browse.ts';
import { DEATH_REASONS, type DeathReason } from '../../src/queue/share-entries.ts';
import { OwnerError } from '../../src/store/owner-error.ts';
import { redriveRecords } from '../../src/store/queue-verbs.ts';
import { JSON_OPTION, YES_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { CommandError, UsageError } from '../command-error.ts';
import { escapeText } from '../escape-text.ts';
import { ExitCode } from '../exit-codes.ts';
import {
  findQueue,
  labelOf,
  QUEUE_ARGUMENT,
  QUEUE_NOTE,
  refOf,
  SHARE_GROUP_OPTION,
  type QueueChoice,
} from '../queue-choice.ts';
import { parseCount } from '../ranges.ts';
import {
  CHANGES_STORE,
  checkStorePath,
  STORE_ARGUMENT,
  STORE_WRITER_FILES,
} from '../store-access.ts';
import { consultStore, type StoreDesk } from '../store-desk.ts';
import { relayToStore } from '../store-relay.ts';
import { formatTable } from '../table.ts';
import { formatCount, formatPlural } from '../units.ts';

interface QueueRedriveOptions extends QueueChoice {
  readonly to?: string;
  readonly reason?: readonly DeathReason[];
  readonly record?: readonly RecordPlace[];
  readonly limit?: number;
  readonly rate?: number;
  readonly yes?: true;
  readonly json?: true;
}

/** Of one question, which the process that has the store open does not leave half done. */
const CHUNK_RECORDS = 1000;
/** With a rate, so many questions a second, if they can be as small. */
const CHUNKS_PER_SECOND = 4;
const RATE_MAX = 1_000_000;

const NOTES = `Dead letters go back to the topics that they came from, and dead records that were kept are ready
again; with --to, either go to that topic. Each is moved exactly once, and headers tell where it had
died. What is alive in the queue stays. Stopped half-way, what was moved stays moved: run it again to
go on.

${QUEUE_NOTE}`;

export const queueRedriveVerb: Verb<QueueRedriveOptions> = {
  description:
    'Move dead letters back to where they came from, or elsewhere; make dead records ready again.',
  argument: STORE_ARGUMENT,
  moreArguments: [QUEUE_ARGUMENT],
  options: [
    new Option('--to <topic>', 'to this topic or queue (default: where they came from)'),
    new Option(
      '--reason <reason>',
      `only those that died for it; repeat it for more: ${DEATH_REASONS.join(', ')}`,
    ).argParser(parseReason),
    new Option(
      '--record <offset>',
      'only this one, as offset or partition:offset; repeat it for more',
    ).argParser(parseRecord),
    new Option('-n, --limit <count>', 'so many at most').argParser(parsePositive),
    new Option('--rate <count>', 'so many a second at most').argParser(parsePositive),
    SHARE_GROUP_OPTION,
    YES_OPTION,
    JSON_OPTION,
  ],
  help: {
    notes: NOTES,
    besideWriter: CHANGES_STORE,
    exitCodes: {
      0: 'Moved; or a dry run; also when there was nothing to move.',
      1: true,
      2: true,
      3: 'There is no such store or queue, or no topic where the records would go.',
      4: true,
      5: true,
      130: 'Stopped by Ctrl-C; what was moved stays moved.',
    },
    files: STORE_WRITER_FILES,
    seeAlso: ['queue peek', 'queue stats', 'queue work'],
    examples: [
      {
        command: 'varve queue redrive ./store email.dead',
        does: 'what would be moved, and where to?',
      },
      {
        command: 'varve queue redrive ./store email.dead --reason failures --rate 10 --yes',
        does: 'those whose handlers failed, slowly',
      },
      {
        command: 'varve queue redrive ./store email.dead --record 17 --to email.retry --yes',
        does: 'one record, to another queue',
      },
    ],
  },
  run,
};

/** What `--json` prints; the keys are a documented contract. */
interface Outcome extends Pick<RedriveReport, 'movedCount' | 'skippedCount' | 'skips'> {
  readonly path: string;
  readonly topic: string;
  readonly group: string;
  readonly isDryRun: boolean;
  readonly destinations: RedriveReport['destinations'];
}

async function run(
  context: CommandContext,
  path: string,
  options: QueueRedriveOptions,
  [name = '']: readonly string[],
): Promise<ExitCode> {
  const isDryRun = options.yes !== true;
  if (options.to === name) {
    throw new UsageError(`${name} is where the records are: --to names another topic`);
  }
  const redrive = async (desk: StoreDesk) => {
    const found = await findQueue(desk, path, name, options);
    const request = { ...refOf(found), ...choiceOf(options) };
    const limit = options.limit ?? null;
    const plan = await askToRedrive(desk, { ...request, limit, from: null, dryRun: true });
    const { movedCount, skippedCount, skips, destinations } = plan;
    const moved = isDryRun
      ? { movedCount, destinations }
      : await moveAll(context, movedCount, {
          rate: options.rate ?? null,
          isByRecord: options.record !== undefined,
          move: (part) => askToRedrive(desk, { ...request, ...part, dryRun: false }),
        });
    const outcome: Outcome = { path, ...refOf(found), isDryRun, ...moved, skippedCount, skips };
    return { outcome, label: labelOf(found) };
  };
  await checkStorePath(path);
  const { outcome, label } = await (isDryRun ? consultStore : relayToStore)(context, path, redrive);
  if (options.json === true) context.output.write(`${JSON.stringify(outcome)}\n`);
  else writeText(context, outcome, label);
  return context.signal.aborted ? ExitCode.interrupted : ExitCode.ok;
}

type RedriveRequest = Parameters<typeof redriveRecords.run>[1];
type RedriveAnswer = Awaited<ReturnType<typeof redriveRecords.run>>;

function choiceOf({ to, reason, record }: QueueRedriveOptions) {
  return { to: to ?? null, reasons: reason ?? null, refs: record ?? null };
}

/** @throws CommandError with the hint that fits: nothing was moved */
async function askToRedrive(desk: StoreDesk, request: RedriveRequest): Promise<RedriveAnswer> {
  try {
    return await desk.ask(redriveRecords, request);
  } catch (error) {
    const isGone = hasCode(error, 'ERR_VARVE_NOT_FOUND');
    if (!isGone && !hasCode(error, 'ERR_VARVE_CONFLICT')) throw error;
    const { message } = error;
    const exitCode = isGone ? ExitCode.notFound : ExitCode.failure;
    const hint =
      request.to === null ? '--to sends records elsewhere' : 'a topic or queue must be there first';
    throw new CommandError(exitCode, message, `nothing was moved; ${hint}`);
  }
}

function hasCode(
  error: unknown,
  code: 'ERR_VARVE_NOT_FOUND' | 'ERR_VARVE_CONFLICT',
): error is Error {
  return isStoreError(error, code) || (error instanceof OwnerError && error.code === code);
}

interface Moving {
  /** Records a second; null = as fast as it goes. */
  readonly rate: number | null;
  /** Certain records alone: each question names all of them. */
  readonly isByRecord: boolean;
  readonly move: (part: Pick<RedriveRequest, 'limit' | 'from'>) => Promise<RedriveAnswer>;
}

/**
 * Moves as many as were there when it began, and not those that come meanwhile: one that dies again at
 * once would go round and round. Each question goes on where the last one ended.
 */
async function moveAll(
  context: CommandContext,
  totalCount: number,
  { rate, isByRecord, move }: Moving,
): Promise<Pick<Outcome, 'movedCount' | 'destinations'>> {
  const { signal } = context;
  const progress = context.progress({ label: 'moving', unit: 'record', total: totalCount });
  const counts = new Map<string, number>();
  const paced = Math.floor((rate ?? Number.POSITIVE_INFINITY) / CHUNKS_PER_SECOND);
  const chunk = Math.max(1, Math.min(CHUNK_RECORDS, paced));
  let movedCount = 0;
  let from: RedriveRequest['from'] = null;
  try {
    while (movedCount < totalCount && !signal.aborted) {
      const startMs = performance.now();
      const limit = Math.min(chunk, totalCount - movedCount);
      const moved: RedriveAnswer = await move({ limit, from });
      if (moved.movedCount === 0) break; // Somebody else was faster.
      movedCount += moved.movedCount;
      for (const { topic, count } of moved.destinations) {
        counts.set(topic, (counts.get(topic) ?? 0) + count);
      }
      progress.update(movedCount);
      from = moved.next;
      if (from === null && !isByRecord) break; // That was the end.
      if (rate === null || movedCount >= totalCount) continue;
      await pause(startMs + (moved.movedCount * 1000) / rate - performance.now(), signal);
    }
  } finally {
    progress.end();
  }
  const destinations = [...counts].map(([topic, count]) => ({ topic, count }));
  return { movedCount, destinations };
}

/** Ends early when the signal fires. */
async function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  if (delayMs <= 0 || signal.aborted) return;
  await new Promise<void>((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, delayMs);
    signal.addEventListener('abort', end);
  });
}

function writeText({ output }: CommandContext, outcome: Outcome, label: string): void {
  const { isDryRun, movedCount, skips, destinations } = outcome;
  if (destinations.length > 0) {
    output.write(
      formatTable(
        [{ title: 'to' }, { title: 'records', align: 'right' }],
        destinations.map(({ topic, count }) => [topic, formatCount(count)]),
      ),
    );
  }
  const records = formatPlural(movedCount, 'record');
  output.write(
    isDryRun
      ? `would move ${records} of ${label}; nothing was changed, --yes does it\n`
      : `moved ${records} of ${label}\n`,
  );
  // What is alive in the queue is no news.
  const others = Object.entries(skips).filter(([why, count]) => count > 0 && why !== 'not-dead');
  for (const [why, count] of others) {
    const left = formatPlural(count, 'record');
    output.write(why === 'missing' ? `${left} not found\n` : `${left} left: ${escapeText(why)}\n`);
  }
}

function parseReason(text: string, before: readonly DeathReason[] = []): readonly DeathReason[] {
  const reason = DEATH_REASONS.find((one) => one === text);
  if (reason !== undefined) return [...before, reason];
  throw new InvalidArgumentError(`Expected one of ${DEATH_REASONS.join(', ')}.`);
}

function parseRecord(text: string, before: readonly RecordPlace[] = []): readonly RecordPlace[] {
  const [, partition = '0', offset] = /^(?:(\d{1,9}):)?(\d{1,15})$/.exec(text) ?? [];
  if (offset === undefined) {
    throw new InvalidArgumentError('Expected an offset such as 17, or partition:offset.');
  }
  return [...before, { partition: Number(partition), offset: Number(offset) }];
}

function parsePositive(text: string): number {
  const count = parseCount(text);
  if (count >= 1 && count <= RATE_MAX) return count;
  throw new InvalidArgumentError(`Expected a number from 1 to ${formatCount(RATE_MAX)}.`);
}
