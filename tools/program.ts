/** The `varve` program: verbs, global options, and the way from an outcome to an exit code. */
import { existsSync } from 'node:fs';
import { Command, CommanderError, Option } from 'commander';
import { addGroup, addVerb, CommandContext } from './command.ts';
import type { CliStreams, GlobalOptions, StartVerb } from './command.ts';
import { describeFailure } from './command-error.ts';
import { appendVerb } from './commands/append.ts';
import { benchVerb } from './commands/bench.ts';
import { bindingsAddVerb } from './commands/bindings-add.ts';
import { bindingsLsVerb } from './commands/bindings-ls.ts';
import { bindingsRmVerb } from './commands/bindings-rm.ts';
import { exchangesCreateVerb } from './commands/exchanges-create.ts';
import { exchangesDeleteVerb } from './commands/exchanges-delete.ts';
import { exchangesDescribeVerb } from './commands/exchanges-describe.ts';
import { exchangesDetachVerb } from './commands/exchanges-detach.ts';
import { exchangesLsVerb } from './commands/exchanges-ls.ts';
import { publishVerb } from './commands/publish.ts';
import { routeVerb } from './commands/route.ts';
import { simulateVerb } from './commands/simulate.ts';
import { topologyExportVerb } from './commands/topology-export.ts';
import { topologyGraphVerb } from './commands/topology-graph.ts';
import { topologyImportVerb } from './commands/topology-import.ts';
import { catVerb } from './commands/cat.ts';
import { deleteRecordsVerb } from './commands/delete-records.ts';
import { dumpVerb } from './commands/dump.ts';
import { groupsDeleteVerb } from './commands/groups-delete.ts';
import { groupsDescribeVerb } from './commands/groups-describe.ts';
import { groupsLsVerb } from './commands/groups-ls.ts';
import { groupsResetVerb } from './commands/groups-reset.ts';
import { infoVerb } from './commands/info.ts';
import { verifyVerb } from './commands/verify.ts';
import { exportVerb } from './commands/export.ts';
import { importVerb } from './commands/import.ts';
import { journalDumpVerb } from './commands/journal-dump.ts';
import { lsVerb } from './commands/ls.ts';
import { queueLeasesVerb } from './commands/queue-leases.ts';
import { queueLsVerb } from './commands/queue-ls.ts';
import { queuePauseVerb, queueResumeVerb } from './commands/queue-pause.ts';
import { queueAlterVerb } from './commands/queue-alter.ts';
import { queueCreateVerb } from './commands/queue-create.ts';
import { queuePurgeVerb } from './commands/queue-purge.ts';
import { queueRedriveVerb } from './commands/queue-redrive.ts';
import { queueSendVerb } from './commands/queue-send.ts';
import { queueStatsVerb } from './commands/queue-stats.ts';
import { queuePeekVerb } from './commands/queue-peek.ts';
import { queueWorkVerb } from './commands/queue-work.ts';
import { repairVerb } from './commands/repair.ts';
import { statsVerb } from './commands/stats.ts';
import { tailVerb } from './commands/tail.ts';
import { topicsAddPartitionsVerb } from './commands/topics-add-partitions.ts';
import { topicsAlterVerb } from './commands/topics-alter.ts';
import { topicsCreateVerb } from './commands/topics-create.ts';
import { topicsDeleteVerb } from './commands/topics-delete.ts';
import { topicsDescribeVerb } from './commands/topics-describe.ts';
import { topicsLsVerb } from './commands/topics-ls.ts';
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
  addVerb(program, deleteRecordsVerb, start);
  addVerb(program, dumpVerb, start);
  addVerb(program, exportVerb, start);
  addVerb(program, importVerb, start);
  addVerb(program, infoVerb, start);
  addVerb(program, lsVerb, start);
  addVerb(program, repairVerb, start);
  addVerb(program, tailVerb, start);
  addVerb(program, verifyVerb, start);
  addStoreVerbs(program, start);
  return program;
}

function addStoreVerbs(program: Command, start: StartVerb): void {
  addVerb(program, statsVerb, start);
  addGroup(program, {
    name: 'topics',
    summary: 'the topics of a store: ls, describe, create, alter, delete, add-partitions',
    description: 'Work with the topics of a store.',
  });
  addVerb(program, topicsLsVerb, start);
  addVerb(program, topicsDescribeVerb, start);
  addVerb(program, topicsCreateVerb, start);
  addVerb(program, topicsAlterVerb, start);
  addVerb(program, topicsAddPartitionsVerb, start);
  addVerb(program, topicsDeleteVerb, start);
  addGroup(program, {
    name: 'groups',
    summary: 'the consumer groups of a store: ls, describe, reset, delete',
    description:
      'Work with the consumer groups of a store: how far behind they are, where they go on.',
  });
  addVerb(program, groupsLsVerb, start);
  addVerb(program, groupsDescribeVerb, start);
  addVerb(program, groupsResetVerb, start);
  addVerb(program, groupsDeleteVerb, start);
  addQueueVerbs(program, start);
  addRoutingVerbs(program, start);
  addGroup(program, {
    name: 'journal',
    summary: 'the journal of a store: dump',
    description: 'Look into the journal of a store, which holds every change of its state.',
  });
  addVerb(program, journalDumpVerb, start);
}

function addQueueVerbs(program: Command, start: StartVerb): void {
  addGroup(program, {
    name: 'queue',
    summary:
      'the queues of a store: create, ls, stats, alter, peek, leases, send, work, redrive, purge, pause, resume',
    description: 'Work with the queues of a store, and the share groups of its topics.',
  });
  addVerb(program, queueCreateVerb, start);
  addVerb(program, queueLsVerb, start);
  addVerb(program, queueStatsVerb, start);
  addVerb(program, queueAlterVerb, start);
  addVerb(program, queuePeekVerb, start);
  addVerb(program, queueLeasesVerb, start);
  addVerb(program, queueSendVerb, start);
  addVerb(program, queueWorkVerb, start);
  addVerb(program, queueRedriveVerb, start);
  addVerb(program, queuePurgeVerb, start);
  addVerb(program, queuePauseVerb, start);
  addVerb(program, queueResumeVerb, start);
}

function addRoutingVerbs(program: Command, start: StartVerb): void {
  addGroup(program, {
    name: 'exchanges',
    summary: 'the exchanges of a store: create, ls, describe, delete, detach',
    description: 'Work with the exchanges of a store, which send records to queues and topics.',
  });
  addVerb(program, exchangesLsVerb, start);
  addVerb(program, exchangesDescribeVerb, start);
  addVerb(program, exchangesCreateVerb, start);
  addVerb(program, exchangesDeleteVerb, start);
  addVerb(program, exchangesDetachVerb, start);
  addGroup(program, {
    name: 'bindings',
    summary: 'the bindings of exchanges: add, ls, rm',
    description: 'Work with the bindings of a store, which say what exchanges send where.',
  });
  addVerb(program, bindingsLsVerb, start);
  addVerb(program, bindingsAddVerb, start);
  addVerb(program, bindingsRmVerb, start);
  addVerb(program, publishVerb, start);
  addVerb(program, routeVerb, start);
  addVerb(program, simulateVerb, start);
  addGroup(program, {
    name: 'topology',
    summary: 'exchanges and bindings as a whole: export, import, graph',
    description: 'Work with the topology of a store: its exchanges and bindings as a whole.',
  });
  addVerb(program, topologyExportVerb, start);
  addVerb(program, topologyImportVerb, start);
  addVerb(program, topologyGraphVerb, start);
}

/**
 * `varve help verfy`: refused as `varve verfy` is, with the verb that was perhaps meant; and
 * `varve help topics ls`, which has one word more than a help command takes.
 */
function withoutUnknownHelp(program: Command, argv: readonly string[]): readonly string[] {
  const [first, verb, own] = argv;
  if (first !== 'help' || verb === undefined || verb.startsWith('-') || verb === 'help')
    return argv;
  const command = program.commands.find((one) => one.name() === verb);
  if (command === undefined) return [verb];
  if (own === undefined || command.commands.length === 0) return argv;
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
