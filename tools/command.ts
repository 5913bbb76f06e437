/** How a verb is declared and what it runs with. Assembling them is `program.ts`. */
import type { Readable, Writable } from 'node:stream';
import { Option } from 'commander';
import type { Command } from 'commander';
import { present } from '../src/core/assert.ts';
import { escapeText } from './escape-text.ts';
import type { ExitCode } from './exit-codes.ts';
import { verbHelp, type Example, type HelpSections } from './help-text.ts';
import { Output } from './output.ts';
import { Progress } from './progress.ts';
import { StatusLine } from './status-line.ts';
import { chooseStyle } from './style.ts';
import type { ColorChoice, Style } from './style.ts';

/** A stream of a terminal or of a pipe. */
export type OutputStream = Writable & { readonly isTTY?: boolean };

/** The outside of the command: a test gives its own. */
export interface CliStreams {
  readonly stdin: Readable;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Fires on Ctrl-C; its reason is an `InterruptedError`. */
  readonly signal?: AbortSignal;
}

/** Options that every verb takes. */
export interface GlobalOptions {
  readonly color: ColorChoice;
  readonly quiet?: true;
}

/** What a verb runs with. */
export class CommandContext {
  readonly stdin: Readable;
  /** Results. */
  readonly output: Output;
  /** Fires when the verb should stop. */
  readonly signal: AbortSignal;
  readonly isQuiet: boolean;
  /** For results on stdout. */
  readonly style: Style;
  /** Whether results go to a person's screen, where control characters do harm. */
  readonly isTerminal: boolean;
  readonly #stderr: OutputStream;

  constructor(streams: CliStreams, options: GlobalOptions) {
    this.stdin = streams.stdin;
    this.signal = streams.signal ?? new AbortController().signal;
    this.output = new Output(streams.stdout, this.signal);
    this.isQuiet = options.quiet === true;
    this.isTerminal = streams.stdout.isTTY === true;
    this.style = chooseStyle({ choice: options.color, stream: streams.stdout, env: streams.env });
    this.#stderr = streams.stderr;
  }

  /** Says something on stderr that is not a result; `--quiet` drops it. */
  note(message: string): void {
    if (!this.isQuiet) this.#stderr.write(`${escapeText(message)}\n`);
  }

  /** Says on stderr that data is missing or wrong: also with `--quiet`. */
  warn(message: string): void {
    this.#stderr.write(`${escapeText(message)}\n`);
  }

  progress(options: { label: string; unit: string; total: number | null }): Progress {
    return new Progress({ ...options, stream: this.#stderr, isQuiet: this.isQuiet });
  }

  statusLine(): StatusLine {
    return new StatusLine({ stream: this.#stderr, isQuiet: this.isQuiet });
  }
}

/** A verb: one file under `commands/`, its arguments, and options of type `O`. */
export interface Verb<O extends object> {
  readonly description: string;
  readonly argument: VerbArgument;
  /** What follows the first one. */
  readonly moreArguments?: readonly VerbArgument[];
  readonly options: readonly Option[];
  readonly help: HelpSections & { readonly examples: readonly [Example, Example, Example] };
  readonly run: (
    context: CommandContext,
    path: string,
    options: O,
    moreArguments: readonly string[],
  ) => Promise<ExitCode>;
}

interface VerbArgument {
  readonly description: string;
  /** What `run` gets when it is left out. */
  readonly default?: string;
}

/** What help lists of a verb. */
export interface ListedVerb {
  /** One word; its group's stands before it. */
  readonly name: string;
  /** `<dir>`, `<dir> [file]`: those in brackets may be left out. */
  readonly arguments: string;
  readonly summary: string;
  /** Loads the rest of it. */
  readonly complete: (command: Command, start: StartVerb) => Promise<void>;
}

/** Verbs that begin with one word: `varve topics ls`, `varve topics create`. */
export interface VerbGroup {
  readonly name: string;
  /** What they are about. */
  readonly about: string;
  readonly description: string;
  readonly verbs: readonly ListedVerb[];
}

/** Runs a verb's action inside the program. */
export type StartVerb = (
  globalOptions: GlobalOptions,
  action: (context: CommandContext) => Promise<ExitCode>,
) => Promise<void>;

/** @param load  gives the rest of it */
export function listVerb<O extends object>(
  name: string,
  args: string,
  summary: string,
  load: () => Promise<Verb<O>>,
): ListedVerb {
  return {
    name,
    arguments: args,
    summary,
    async complete(command, start) {
      await loadLibrary();
      completeVerb(command, await load(), start);
    },
  };
}

/** In steps: Node opens all files that a module imports at once, and may be allowed few. */
async function loadLibrary(): Promise<void> {
  await import('../src/log/log.ts');
  await import('../src/topic/topic.ts');
  await import('../src/store/store.ts');
}

/** Declares a group and its verbs on the program. */
export function addGroup(program: Command, group: VerbGroup, start: StartVerb): void {
  const { name, about, description, verbs } = group;
  const command = program
    .command(name)
    .summary(`${about}: ${verbs.map((verb) => verb.name).join(', ')}`)
    .description(description)
    .helpCommand(false)
    .showHelpAfterError(`hint: varve ${name} --help lists the verbs`)
    .addHelpText('after', `\nvarve help ${name} <verb> is the manual page of one of them.`);
  for (const verb of verbs) addVerb(command, verb, start);
}

/** Declares a verb on the program or a group: what help lists of it; the rest when it is used. */
export function addVerb(parent: Command, verb: ListedVerb, start: StartVerb): void {
  const command = parent.command(verb.name).summary(verb.summary).arguments(verb.arguments);
  parent.hook('preSubcommand', (_parent, used) =>
    used === command ? verb.complete(command, start) : undefined,
  );
}

/** How a list of verbs shows one. */
export function verbTerm(command: Command): string {
  return command.commands.length > 0 ? command.name() : `${command.name()} ${command.usage()}`;
}

function completeVerb<O extends object>(command: Command, verb: Verb<O>, start: StartVerb): void {
  command
    .description(verb.description)
    .showHelpAfterError(`hint: ${fullName(command)} --help lists options and examples`)
    .addHelpText('after', verbHelp(verb.help));
  const described = [verb.argument, ...(verb.moreArguments ?? [])];
  for (const [index, argument] of command.registeredArguments.entries()) {
    const { description, default: value } = present(described[index], 'one for each');
    argument.description = description;
    if (value !== undefined) argument.default(value);
  }
  for (const option of verb.options) command.addOption(option);
  command.action((path: string) =>
    start(command.optsWithGlobals<GlobalOptions & Record<string, unknown>>(), (context) =>
      verb.run(context, path, command.opts<O & Record<string, unknown>>(), command.args.slice(1)),
    ),
  );
}

/** `varve topics ls` */
function fullName(command: Command): string {
  const { parent } = command;
  return parent === null ? command.name() : `${fullName(parent)} ${command.name()}`;
}

/** `--json` and `--ndjson`, where a verb has both. */
export const JSON_OPTION = new Option('--json', 'print one JSON document');
export const NDJSON_OPTION = new Option('--ndjson', 'print one JSON object per line').conflicts(
  'json',
);
/** For verbs that change something. */
export const YES_OPTION = new Option('--yes', 'do it (default: a dry run that changes nothing)');
