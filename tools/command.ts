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
}

/** Verbs that begin with one word: `varve topics ls`, `varve topics create`. */
export interface VerbGroup {
  readonly name: string;
  readonly summary: string;
  readonly description: string;
}

/** A verb: one file under `commands/`, its arguments, and options of type `O`. */
export interface Verb<O extends object> {
  /** One word, or that of its group and its own. */
  readonly name: string;
  readonly summary: string;
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
  /** `<dir>`, or `[file]` when it may be left out. */
  readonly name: string;
  readonly description: string;
  /** What `run` gets when it is left out. */
  readonly default?: string;
}

/** Runs a verb's action inside the program. */
export type StartVerb = (
  globalOptions: GlobalOptions,
  action: (context: CommandContext) => Promise<ExitCode>,
) => Promise<void>;

/** Declares a group on the program; its verbs come after it. */
export function addGroup(program: Command, { name, summary, description }: VerbGroup): void {
  program
    .command(name)
    .summary(summary)
    .description(description)
    .helpCommand(false)
    .showHelpAfterError(`hint: varve ${name} --help lists the verbs`)
    .addHelpText('after', `\nvarve help ${name} <verb> is the manual page of one of them.`);
}

/** Declares `verb` on the program, or on its group. */
export function addVerb<O extends object>(program: Command, verb: Verb<O>, start: StartVerb): void {
  const { argument, moreArguments = [] } = verb;
  const [first = '', own] = verb.name.split(' ');
  const parent = own === undefined ? program : program.commands.find((one) => one.name() === first);
  const command = present(parent, 'its group was declared before')
    .command(own ?? first)
    .summary(verb.summary)
    .description(verb.description)
    .argument(argument.name, argument.description, argument.default)
    .showHelpAfterError(`hint: varve ${verb.name} --help lists options and examples`)
    .addHelpText('after', verbHelp(verb.help));
  for (const { name, description } of moreArguments) command.argument(name, description);
  for (const option of verb.options) command.addOption(option);
  command.action((path: string) =>
    start(program.opts<GlobalOptions & Record<string, unknown>>(), (context) =>
      verb.run(context, path, command.opts<O & Record<string, unknown>>(), command.args.slice(1)),
    ),
  );
}

/** `--json` and `--ndjson`, where a verb has both. */
export const JSON_OPTION = new Option('--json', 'print one JSON document');
export const NDJSON_OPTION = new Option('--ndjson', 'print one JSON object per line').conflicts(
  'json',
);
/** For verbs that change something. */
export const YES_OPTION = new Option('--yes', 'do it (default: a dry run that changes nothing)');
