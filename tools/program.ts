/** The `varve` program: verbs, global options, and the way from an outcome to an exit code. */
import { existsSync } from 'node:fs';
import { Command, CommanderError, Option } from 'commander';
import { addGroup, addVerb, CommandContext, verbTerm } from './command.ts';
import type { CliStreams, GlobalOptions, StartVerb } from './command.ts';
import { describeFailure } from './command-error.ts';
import { escapeText } from './escape-text.ts';
import { ExitCode } from './exit-codes.ts';
import { programHelp, type Example } from './help-text.ts';
import { packageVersion } from './package-root.ts';
import { chooseStyle } from './style.ts';
import { VERB_GROUPS } from './verb-groups.ts';
import { VERBS } from './verbs.ts';

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
    await context.output.finish();
  });
  try {
    await program.parseAsync(withoutHelpVerb(program, argv), { from: 'user' });
    return exitCode;
  } catch (error) {
    if (isUnknownVerb(error)) hintAtPath(program, streams);
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
    .configureHelp({
      showGlobalOptions: true,
      sortSubcommands: true,
      subcommandTerm: verbTerm,
      helpWidth: HELP_WIDTH,
    })
    .configureOutput({
      writeOut: (text) => void streams.stdout.write(text),
      writeErr: (text) => void streams.stderr.write(text),
    })
    .showHelpAfterError('hint: varve --help lists the verbs')
    .exitOverride()
    .addHelpText('after', programHelp(EXAMPLES));
  for (const verb of VERBS) addVerb(program, verb, start);
  for (const group of VERB_GROUPS) addGroup(program, group, start);
  return program;
}

/**
 * `varve help verify` as `varve verify --help`, which loads the verb; `varve help verfy` as `varve verfy`,
 * which is refused with the verb that was perhaps meant.
 */
function withoutHelpVerb(program: Command, argv: readonly string[]): readonly string[] {
  const [first, verb, own] = program.parseOptions([...argv]).operands;
  if (first !== 'help' || verb === undefined || verb === 'help') return argv;
  const command = program.commands.find((one) => one.name() === verb);
  if (command === undefined) return [verb];
  if (own === undefined || command.commands.length === 0) return [verb, '--help'];
  const isKnown = command.commands.some((one) => one.name() === own);
  return isKnown ? [verb, own, '--help'] : [verb, own];
}

function isUnknownVerb(error: unknown): boolean {
  return error instanceof CommanderError && error.code === 'commander.unknownCommand';
}

/** `varve ./log`, `varve topics ./store`: whoever gives a path first wants to look into it. */
function hintAtPath(program: Command, { stderr }: CliStreams): void {
  const [first = '', second = ''] = program.args;
  const isGroup = program.commands.some((command) => command.name() === first);
  const argument = isGroup ? second : first;
  const isPath = /[/\\.]/.test(argument) || existsSync(argument);
  if (!isPath) return;
  const verbs = isGroup ? LOOKS[first] : ['info', 'cat', 'ls'];
  const lines = (verbs ?? []).map((verb) => `varve ${verb} ${escapeText(argument)}`);
  stderr.write(`hint: a verb comes first: ${lines.join(', ')}\n`);
}

/** The verbs of a group that look at all of a store. */
const LOOKS: Readonly<Record<string, readonly string[]>> = {
  topics: ['topics ls'],
  groups: ['groups ls'],
  queue: ['queue ls'],
  exchanges: ['exchanges ls'],
  bindings: ['bindings ls'],
  topology: ['topology export', 'topology graph'],
  transactions: ['transactions ls'],
  producers: ['producers ls'],
  retention: ['retention run'],
  journal: ['journal dump'],
};

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
