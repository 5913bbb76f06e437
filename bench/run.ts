/** `npm run bench`: the command line. `npm run bench -- --help` lists its options. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { packageRoot } from '../tools/package-root.ts';
import { formatDuration } from '../tools/units.ts';
import { benchOptions, type BenchOptions } from './options.ts';
import { compareReports } from './report/compare.ts';
import { formatComparison } from './report/format-comparison.ts';
import { renderHtml } from './report/html.ts';
import { readReport, ReportError } from './report/read-report.ts';
import { formatContest, formatGoals, formatHost, formatList } from './report/table.ts';
import { ChoiceError, chooseContests, runContests } from './run-suites.ts';
import { SUITES } from './suites/index.ts';

const ExitCode = { ok: 0, broken: 1, usage: 2, interrupted: 130 } as const;
type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

interface Options extends BenchOptions {
  readonly json?: string;
  readonly html?: string;
  readonly directory?: string;
}

/** Fires on Ctrl-C or a request to end, which may come twice: npm and `timeout` pass them on. */
const controller = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => controller.abort(new Error(`stopped by ${name}`)));
}

const program = new Command('npm run bench --')
  .description('Measure the log beside what this machine can do, in the same run.')
  .option('--json <file>', 'write every figure and goal to a file', parseOutput)
  .option('--html <file>', 'write a page with charts', parseOutput)
  .option('--directory <dir>', 'the disk to measure (default: segments/local)', parseDirectory)
  .exitOverride()
  .action(async () => {
    process.exitCode = await bench(program.opts<Options & Record<string, unknown>>());
  });
program
  .command('compare <a> <b>')
  .description('Say row by row what became faster or slower between two files of --json.')
  .action((a: string, b: string) => {
    process.stdout.write(formatComparison(compareReports(readReport(a), readReport(b))));
  });
for (const option of benchOptions(SUITES)) program.addOption(option);

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = exitCodeOf(error);
}

async function bench(options: Options): Promise<ExitCode> {
  const { suite = null, only = null, list, quick, rounds = null } = options;
  const chosen = await chooseContests(SUITES, { suites: suite, only });
  if (list === true) {
    process.stdout.write(formatList(chosen.contests));
    return failed(chosen.failures);
  }
  const { report, failures } = await runContests(chosen.contests, {
    directory: options.directory ?? defaultDirectory(),
    isQuick: quick === true,
    rounds,
    signal: controller.signal,
    onStart: ({ id }) => process.stderr.write(`${id} ...\n`),
    onResult: (contest, result) => console.log(formatContest(contest, result)),
  });
  console.log(formatGoals(report.goals));
  console.log(`${formatHost(report.host)}took ${formatDuration(report.durationMs)}`);
  if (options.json !== undefined) {
    writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
  }
  if (options.html !== undefined) writeFileSync(options.html, renderHtml(report));
  return failed([...chosen.failures, ...failures]);
}

function failed(failures: readonly string[]): ExitCode {
  for (const failure of failures) console.error(`broken: ${failure}`);
  return failures.length === 0 ? ExitCode.ok : ExitCode.broken;
}

/** On the disk of the checkout, and ignored by git. */
function defaultDirectory(): string {
  const directory = join(packageRoot(), 'segments', 'local');
  mkdirSync(directory, { recursive: true });
  return directory;
}

function exitCodeOf(error: unknown): ExitCode {
  // Commander has printed its own message.
  if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
  if (error instanceof ChoiceError || error instanceof ReportError) {
    console.error(`error: ${error.message}`);
    return ExitCode.usage;
  }
  if (!controller.signal.aborted) throw error;
  console.error('stopped; everything was removed');
  return ExitCode.interrupted;
}

/** Found out before the measurement, not after it. */
function parseOutput(path: string): string {
  if (existsSync(dirname(path))) return path;
  throw new InvalidArgumentError(`There is no directory ${dirname(path)}.`);
}

function parseDirectory(path: string): string {
  if (existsSync(path)) return path;
  throw new InvalidArgumentError('There is no such directory.');
}
