/** The `varve` program: verbs, global options, and the way from an outcome to an exit code. */
import { existsSync } from 'node:fs';
import { Command, CommanderError, Option } from 'commander';
import { addVerb, CommandContext } from './command.ts';
import type { CliStreams, GlobalOptions, StartVerb } from './command.ts';
import { describeFailure } from './command-error.ts';
import { appendVerb } from './commands/append.ts';
import { benchVerb } from './commands/bench.ts';
import { catVerb } from './commands/cat.ts';
import { dumpVerb } from './commands/dump.ts';
import { infoVerb } from './commands/info.ts';
import { verifyVerb } from './commands/verify.ts';
import { exportVerb } from './commands/export.ts';
import { importVerb } from './commands/import.ts';
import { lsVerb } from './commands/ls.ts';
import { repairVerb } from './commands/repair.ts';
import { tailVerb } from './commands/tail.ts';
import { escapeText } from './escape-text.ts';
import { ExitCode } from './exit-codes.ts';
import { programHelp, type Example } from './help-text.ts';
import { packageVersion } from './package-root.ts';
import { chooseStyle } from './style.ts';

/** Columns of help texts, on any terminal: what is broken by hand must not be broken twice. */
const HELP_WIDTH = 100;

const EXAMPLES: readonly Example[] = [
  { command: 'seq 1 1000 | varve append ./numbers', does: 'store a record per line, durably' },
  {
    command: "varve cat ./numbers --from -3 --format '%o %t %v\\n'",
    does: 'the last three records',
  },
  {
    command: 'varve verify ./numbers',
    does: 'check every byte; exit code 4 when some are damaged',
  },
];

/**
 * Runs one command line and returns its exit code. Never throws, never ends the process.
 *
 * @param argv  arguments without the program: `['cat', './log']`
 */
export async function run(argv: readonly string[], streams: CliStreams): Promise<ExitCode> {
  // A closed stderr is no reason to stop; a closed stdout is the business of `Output`.
  streams.stderr.on('error', () => {});
  streams.stdout.on('error', () => {});
  let exitCode: ExitCode = ExitCode.ok;
  const program = createProgram(streams, async (globalOptions, action) => {
    const context = new CommandContext(streams, globalOptions);
    try {
      exitCode = await action(context);
    } catch (error) {
      await context.output.drain().catch(() => {}); // Shows what came before the failure.
      throw error;
    }
    await context.output.drain();
  });
  try {
    await program.parseAsync(withoutUnknownHelp(program, argv), { from: 'user' });
    return exitCode;
  } catch (error) {
    if (isUnknownVerb(error)) hintAtPath(program.args[0] ?? '', streams);
    return report(error, streams, program.opts<GlobalOptions & Record<string, unknown>>());
  }
}

function createProgram(streams: CliStreams, start: StartVerb): Command {
  const program = new Command('varve')
    .description('Work with varve logs: durable, append-only, one directory each.')
    .version(packageVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [verb]', 'print help for a verb')
    .addOption(
      new Option('--color <when>', 'colour the output')
        .choices(['auto', 'always', 'never'])
        .default('auto'),
    )
    .option('-q, --quiet', 'no progress and no summary on stderr')
    .configureHelp({ showGlobalOptions: true, sortSubcommands: true, helpWidth: HELP_WIDTH })
    .configureOutput({
      writeOut: (text) => void streams.stdout.write(text),
      writeErr: (text) => void streams.stderr.write(text),
    })
    .showHelpAfterError('hint: varve --help lists the verbs')
    .exitOverride()
    .addHelpText('after', programHelp(EXAMPLES));
  addVerb(program, appendVerb, start);
  addVerb(program, benchVerb, start);
  addVerb(program, catVerb, start);
  addVerb(program, dumpVerb, start);
  addVerb(program, exportVerb, start);
  addVerb(program, importVerb, start);
  addVerb(program, infoVerb, start);
  addVerb(program, lsVerb, start);
  addVerb(program, repairVerb, start);
  addVerb(program, tailVerb, start);
  addVerb(program, verifyVerb, start);
  return program;
}

/** `varve help verfy`: refused as `varve verfy` is, with the verb that was perhaps meant. */
function withoutUnknownHelp(program: Command, argv: readonly string[]): readonly string[] {
  const [first, verb] = argv;
  if (first !== 'help' || verb === undefined || verb.startsWith('-') || verb === 'help')
    return argv;
  return program.commands.some((command) => command.name() === verb) ? argv : [verb];
}

function isUnknownVerb(error: unknown): boolean {
  return error instanceof CommanderError && error.code === 'commander.unknownCommand';
}

/** `varve ./log`: whoever gives a path first wants to look into it. */
function hintAtPath(argument: string, { stderr }: CliStreams): void {
  const isPath = /[/\\.]/.test(argument) || existsSync(argument);
  if (!isPath) return;
  const path = escapeText(argument);
  stderr.write(
    `hint: a verb comes first: varve info ${path}, varve cat ${path}, varve ls ${path}\n`,
  );
}

/** Says what went wrong on stderr and chooses the exit code. */
function report(error: unknown, streams: CliStreams, options: Partial<GlobalOptions>): ExitCode {
  const { exitCode, message, hint } = describeFailure(error);
  if (message === null) return exitCode;
  const { stderr, env } = streams;
  const style = chooseStyle({ choice: options.color ?? 'auto', stream: stderr, env });
  stderr.write(`${style('red', 'error:')} ${message}\n`);
  if (hint !== null) stderr.write(`${style('dim', 'hint:')} ${escapeText(hint)}\n`);
  if (isSet(env['VARVE_DEBUG']) && error instanceof Error) stderr.write(`${error.stack ?? ''}\n`);
  return exitCode;
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== '';
}
