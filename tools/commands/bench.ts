/** `varve bench [dir]`: the log beside what this machine and disk can do, in the same run. */
import { stat } from 'node:fs/promises';
import { benchOptions, type BenchOptions } from '../../bench/options.ts';
import { formatContest, formatGoals, formatHost, formatList } from '../../bench/report/table.ts';
import { ChoiceError, chooseContests, runContests } from '../../bench/run-suites.ts';
import type { ChosenContests, RunOutcome } from '../../bench/run-suites.ts';
import { SUITES } from '../../bench/suites/index.ts';
import { JSON_OPTION } from '../command.ts';
import type { CommandContext, Verb } from '../command.ts';
import { CommandError, UsageError } from '../command-error.ts';
import { ExitCode } from '../exit-codes.ts';
import { formatDuration } from '../units.ts';

interface BenchVerbOptions extends BenchOptions {
  readonly json?: true;
}

/** Suites that work wherever the package is installed. */
const INSTALLED_SUITES = SUITES.filter(({ isCheckoutOnly }) => isCheckoutOnly !== true);

const NOTES = `Each contest runs its sides in turn, each in a process of its own: a round to warm up, then five or
more that count. What the machine does by itself (1 MiB writes, syncs, reads with a CRC) is a side
like the others, so a ratio compares what happened in the same minute. A goal is what this version
wants to reach; it is unknown where its reference varied by more than a factor of two between the
rounds, with fewer than five rounds, and where something is missing. A missed goal is no failure.

Close what else uses the disk or the processor. With --quick a run takes less than ten minutes, about
2 GiB of free space and 2 GiB of memory; without, about 40 minutes, 12 GiB and 12 GiB, because three
suites (open, memory, scale) handle 10 GiB. Writes add up to hundreds of GiB.`;

export const benchVerb: Verb<BenchVerbOptions> = {
  description:
    'Measure appends, scans and random reads of logs, beside raw writes, syncs and reads of the\n' +
    'same disk, in the same run. Writes to a fresh directory, which is removed at the end.',
  argument: { description: 'a directory on the disk to measure', default: '.' },
  options: [...benchOptions(INSTALLED_SUITES), JSON_OPTION],
  help: {
    notes: NOTES,
    besideWriter:
      'Safe: it writes to logs of its own and to nothing else. A busy writer costs it speed.',
    exitCodes: {
      0: 'Measured; whatever the figures are.',
      1: 'Something else went wrong, or broke while it was measured.',
      2: true,
      3: 'There is no such directory.',
      130: 'Stopped by Ctrl-C; everything that was written is removed.',
    },
    files: { '<dir>/bench-*/': 'logs and files that are measured; removed at the end' },
    seeAlso: ['append', 'cat', 'info'],
    examples: [
      { command: 'varve bench /mnt/data --quick', does: 'what that disk can do, in a few minutes' },
      { command: 'varve bench --suite read --only 1024', does: 'scans of 1 KiB values alone' },
      {
        command: "varve bench --quick --json | jq '.goals[] | [.name, .value, .met]'",
        does: 'the goals, for a program',
      },
    ],
  },
  run,
};

async function run(
  context: CommandContext,
  directory: string,
  options: BenchVerbOptions,
): Promise<ExitCode> {
  const { suite = null, only = null } = options;
  const chosen = await choose({ suites: suite, only });
  if (options.list === true) {
    context.output.write(formatList(chosen.contests));
    return warnOf(context, chosen.failures);
  }
  await checkDirectory(directory);
  const { report, failures } = await measure(context, { directory, chosen, options });
  if (options.json === true) {
    context.output.write(`${JSON.stringify(report)}\n`);
  } else {
    context.output.write(`${formatGoals(report.goals)}\n${formatHost(report.host)}`);
    context.note(`took ${formatDuration(report.durationMs)}`);
  }
  return warnOf(context, [...chosen.failures, ...failures]);
}

async function choose(choice: Parameters<typeof chooseContests>[1]): Promise<ChosenContests> {
  try {
    return await chooseContests(INSTALLED_SUITES, choice);
  } catch (error) {
    if (!(error instanceof ChoiceError)) throw error;
    throw new UsageError(error.message, 'varve bench --list lists what can be measured');
  }
}

interface Measured {
  readonly directory: string;
  readonly chosen: ChosenContests;
  readonly options: BenchVerbOptions;
}

function measure(
  context: CommandContext,
  { directory, chosen, options }: Measured,
): Promise<RunOutcome> {
  const { output, signal } = context;
  return runContests(chosen.contests, {
    directory,
    isQuick: options.quick === true,
    rounds: options.rounds ?? null,
    signal,
    onStart: ({ id }) => context.note(`${id} ...`),
    onResult: async (contest, result) => {
      if (options.json === true) return; // One document at the end.
      output.write(`${formatContest(contest, result)}\n`);
      await output.drain();
    },
  });
}

async function checkDirectory(path: string): Promise<void> {
  const isDirectory = await stat(path).then(
    (found) => found.isDirectory(),
    () => null,
  );
  if (isDirectory === null) {
    throw new CommandError(ExitCode.notFound, `there is no directory ${path}`);
  }
  if (!isDirectory) throw new UsageError(`${path} is a file, not a directory`);
}

function warnOf(context: CommandContext, failures: readonly string[]): ExitCode {
  for (const failure of failures) context.warn(`broken: ${failure}`);
  return failures.length === 0 ? ExitCode.ok : ExitCode.failure;
}
