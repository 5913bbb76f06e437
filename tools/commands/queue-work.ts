/** `varve queue work <store> <queue> --exec <program>`: runs a command for each record of a queue. */
import { randomUUID } from 'node:crypto';
import { InvalidArgumentError, Option } from 'commander';
import type { RemoteDelivery } from '../../src/store/queue-verbs.ts';
import { JSON_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { UsageError } from '../command-error.ts';
import { ExitCode } from '../exit-codes.ts';
import {
  describeQueue,
  findQueue,
  labelOf,
  QUEUE_ARGUMENT,
  QUEUE_NOTE,
  refOf,
  SHARE_GROUP_OPTION,
  type QueueChoice,
} from '../queue-choice.ts';
import {
  QueueWorker,
  type WorkDetail,
  type WorkResult,
  type WorkSettings,
  type WorkTotals,
} from '../queue-worker.ts';
import { parseCount } from '../ranges.ts';
import { EX_TEMPFAIL } from '../record-command.ts';
import { checkStorePath, STORE_ARGUMENT, STORE_WRITER_FILES } from '../store-access.ts';
import { formatDuration, formatPlural } from '../units.ts';
import { furtherSignals, workAtStore } from '../work-desk.ts';

interface QueueWorkOptions extends QueueChoice {
  readonly exec?: string;
  readonly concurrency: number;
  readonly leaseMs?: number;
  readonly timeoutMs?: number;
  readonly retryDelayMs: number;
  readonly once?: true;
  readonly idleExitMs?: number;
  readonly verbose?: true;
  readonly json?: true;
}

const CONCURRENCY_MAX = 256;
const RETRY_DELAY_MS = 1_000;
/** What Node's timers take. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

const NOTES = `No shell looks at the command: --exec is a program, and what follows -- its arguments. It has the value
on its stdin, and in its environment VARVE_TOPIC, VARVE_GROUP, VARVE_PARTITION, VARVE_OFFSET,
VARVE_ATTEMPT (from 1), VARVE_TOKEN (names the lease) and VARVE_KEY, or VARVE_KEY_BASE64 where the key
is no text. A record without a value has an empty stdin. Its stdout and stderr are those of the worker.

Exit code 0 acknowledges the record. ${EX_TEMPFAIL} (EX_TEMPFAIL) gives it back for later, which is no
failure. Anything else, a signal and the end of --timeout-ms too, is a failed attempt: the record is
tried again after --retry-delay-ms, doubled with each attempt up to an hour, until the queue gives it
up.

Leases are renewed while commands run. Where one is lost, its command gets SIGTERM, and 5 s later
SIGKILL. A worker that is killed leaves its commands behind; their records come back when the leases
end. Ctrl-C or SIGTERM: no more records are taken, and what runs may end; a second one has the commands
end by SIGTERM and gives their records back, a third one by SIGKILL.

A queue that is paused hands out nothing: the worker says so, and waits, or ends as where nothing is
ready.

${QUEUE_NOTE}`;

export const queueWorkVerb: Verb<QueueWorkOptions> = {
  description:
    'Work off a queue: lease its records, run a command for each, and settle the record by its exit code.',
  argument: STORE_ARGUMENT,
  moreArguments: [QUEUE_ARGUMENT, { description: 'of the program, behind --' }],
  options: [
    new Option('--exec <program>', 'what to run for each record'),
    SHARE_GROUP_OPTION,
    new Option('-c, --concurrency <count>', `commands at a time, up to ${CONCURRENCY_MAX}`)
      .argParser(parseConcurrency)
      .default(1),
    new Option(
      '--lease-ms <ms>',
      'how long a lease lasts without being renewed (default: as the queue is set)',
    ).argParser(parseCount),
    new Option(
      '--timeout-ms <ms>',
      'a command that takes longer has failed, and is killed',
    ).argParser(parseTimeout),
    new Option('--retry-delay-ms <ms>', 'pause before a second attempt, doubled with each one')
      .argParser(parseCount)
      .default(RETRY_DELAY_MS),
    new Option('--once', 'end when nothing is ready').conflicts('idleExitMs'),
    new Option('--idle-exit-ms <ms>', 'end when there was nothing to do for so long').argParser(
      parseCount,
    ),
    new Option('-v, --verbose', 'say on stderr what became of each record'),
    new Option(JSON_OPTION.flags, 'print the totals as JSON on stdout, behind what commands print'),
  ],
  help: {
    notes: NOTES,
    besideWriter:
      'While a process has the store open, that process leases the records to the worker, through\n' +
      'control.sock; when it goes away, the worker waits up to a minute for it to come back. Else the\n' +
      'worker takes the lock of the store, and further workers go through it. Exit 5 when the process\n' +
      'that has the store open does not listen.',
    exitCodes: {
      0: 'Done, with --once or --idle-exit-ms; also when commands failed: the totals say so.',
      1: true,
      2: 'The command line is wrong, or the program cannot be run; its record was given back.',
      3: true,
      4: true,
      5: true,
      130: 'Stopped by Ctrl-C, when what ran had ended.',
    },
    files: STORE_WRITER_FILES,
    seeAlso: ['queue send', 'queue leases', 'queue redrive'],
    examples: [
      {
        command: 'varve queue work ./store email --exec ./send-email.sh -c 4',
        does: 'four at a time, until Ctrl-C',
      },
      {
        command:
          'varve queue work ./store hooks --exec curl -- -fsS -d @- https://example.org/hook',
        does: 'a program with arguments',
      },
      {
        command: 'varve queue work ./store email --exec ./send-email.sh --once --json',
        does: 'what is ready, then the totals',
      },
    ],
  },
  run,
};

async function run(
  context: CommandContext,
  path: string,
  options: QueueWorkOptions,
  [name = '', ...args]: readonly string[],
): Promise<ExitCode> {
  const { exec: program, timeoutMs = null } = options;
  if (program === undefined || program === '') {
    throw new UsageError('--exec is missing: the program to run', 'its arguments follow --');
  }
  await checkStorePath(path);
  const startMs = performance.now();
  const outcome = await workAtStore(context, path, async (desk, giveUp) => {
    const found = await findQueue(desk, path, name, options);
    const { settings, stats } = await describeQueue(desk, found);
    const work: WorkSettings = {
      ref: refOf(found),
      line: { program, args, timeoutMs },
      consumer: `cli-${process.pid}-${randomUUID()}`,
      concurrency: options.concurrency,
      leaseMs: options.leaseMs ?? settings.leaseMs,
      retryDelayMs: options.retryDelayMs,
      isOnce: options.once === true,
      idleExitMs: options.idleExitMs ?? null,
    };
    if (options.verbose === true) context.note(`working off ${labelOf(found)}`);
    // It would end, or wait, and nobody would see why.
    if (stats.isPaused) {
      context.note(`${labelOf(found)} is paused: varve queue resume has it hand out records again`);
    }
    const worker = new QueueWorker(desk, work, watcherOf(context, options));
    await runUntilStopped(context, worker, giveUp);
    return { ...work.ref, ...worker.totals };
  });
  writeTotals(context, outcome, performance.now() - startMs);
  if (options.json === true) {
    const durationMs = Math.round(performance.now() - startMs);
    context.output.write(`${JSON.stringify({ path, ...countsOf(outcome), durationMs })}\n`);
  }
  return context.signal.aborted ? ExitCode.interrupted : ExitCode.ok;
}

/** The first signal stops it; the second one hurries, and the third one does not wait at all. */
async function runUntilStopped(
  { signal }: CommandContext,
  worker: QueueWorker,
  giveUp: () => void,
): Promise<void> {
  const onStop = (): void => worker.stop();
  signal.addEventListener('abort', onStop, { once: true });
  if (signal.aborted) onStop();
  const forget = furtherSignals(signal, (count) => {
    worker.hurry(count === 1 ? 'SIGTERM' : 'SIGKILL');
    if (count > 2) giveUp();
  });
  try {
    await worker.run();
  } finally {
    signal.removeEventListener('abort', onStop);
    forget();
  }
}

const RESULT_WORDS: Readonly<Record<WorkResult, string>> = {
  acked: 'acknowledged',
  failed: 'failed',
  deferred: 'put off',
  givenBack: 'given back',
  lost: 'lost: its lease was over',
};

function watcherOf(context: CommandContext, { verbose }: QueueWorkOptions) {
  return {
    ended(delivery: RemoteDelivery, result: WorkResult, { error, durationMs }: WorkDetail) {
      if (verbose !== true && result !== 'lost') return;
      const { partition, offset, attempt } = delivery;
      const what = `partition ${partition} offset ${offset} attempt ${attempt}`;
      const why = error === '' ? '' : `, ${error}`;
      const line = `${what}: ${RESULT_WORDS[result]}${why}, in ${formatDuration(durationMs)}`;
      if (result === 'lost') context.warn(line);
      else context.note(line);
    },
    waiting(): void {
      context.note('the process that has the store open went away: waiting for it to come back');
    },
  };
}

type Outcome = WorkTotals & { readonly topic: string; readonly group: string };

function countsOf(outcome: Outcome) {
  const { topic, group, acked, failed, deferred, givenBack, lost } = outcome;
  return {
    topic,
    group,
    ackedCount: acked,
    failedCount: failed,
    deferredCount: deferred,
    givenBackCount: givenBack,
    lostCount: lost,
  };
}

function writeTotals(context: CommandContext, outcome: Outcome, durationMs: number): void {
  const { acked, failed, deferred, givenBack, lost } = outcome;
  const all = acked + failed + deferred + givenBack + lost;
  const parts = [
    `${acked} acknowledged`,
    `${failed} failed`,
    ...(deferred > 0 ? [`${deferred} put off`] : []),
    ...(givenBack > 0 ? [`${givenBack} given back`] : []),
    ...(lost > 0 ? [`${lost} lost`] : []),
  ];
  const runs = formatPlural(all, 'attempt');
  context.note(`${runs}: ${parts.join(', ')}, in ${formatDuration(durationMs)}`);
}

function parseConcurrency(text: string): number {
  const count = parseCount(text);
  if (count >= 1 && count <= CONCURRENCY_MAX) return count;
  throw new InvalidArgumentError(`Expected a number from 1 to ${CONCURRENCY_MAX}.`);
}

function parseTimeout(text: string): number {
  const timeoutMs = parseCount(text);
  if (timeoutMs >= 1 && timeoutMs <= TIMEOUT_MS_MAX) return timeoutMs;
  throw new InvalidArgumentError(`Expected a number from 1 to ${TIMEOUT_MS_MAX}.`);
}
