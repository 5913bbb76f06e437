/** The sections of a help text that commander does not make: what a manual page has. */
import { EXIT_CODES, ExitCode } from './exit-codes.ts';

/** One line of "Examples" under `--help`. */
export interface Example {
  readonly command: string;
  readonly does: string;
}

/** What stands under the options of a help text. */
export interface HelpSections {
  /** What is special about the verb, as paragraphs. */
  readonly notes?: string;
  /** Whether it writes, and what happens while a writer has the log. */
  readonly besideWriter: string;
  /** Those that the verb can end with; a sentence where it means something of its own. */
  readonly exitCodes: Readonly<Partial<Record<ExitCode, string | true>>>;
  /** What the verb reads and writes: path and what for. */
  readonly files: Readonly<Record<string, string>>;
  /** Verbs. */
  readonly seeAlso: readonly string[];
  readonly examples: readonly Example[];
}

/** Files that every verb reads which looks into a log. */
export const LOG_FILES: Readonly<Record<string, string>> = {
  '<dir>/*.log': 'segments: the records; the name is the first offset',
  '<dir>/checkpoint': 'how far the log is synced, where it starts, its id',
};

/** What a verb that opens a log for writing has besides. */
export const WRITER_FILES: Readonly<Record<string, string>> = {
  ...LOG_FILES,
  '<dir>/LOCK': 'who writes, or wrote last',
  '<dir>/quarantine/': 'bytes that were cut off or replaced; never deleted unasked',
};

/** As of what commander breaks. */
const LINE_CHARS_MAX = 100;

const ENVIRONMENT: Readonly<Record<string, string>> = {
  NO_COLOR: 'not empty: no colour',
  FORCE_COLOR: 'colour also in a pipe; 0 or false: none; NO_COLOR and --color win',
  VARVE_DEBUG: 'not empty: print the stack of a failure',
};

/** Everything under the options of a verb; the examples come last. */
export function verbHelp(sections: HelpSections): string {
  const { notes, besideWriter, exitCodes, files, seeAlso, examples } = sections;
  const parts = [
    ...(notes === undefined ? [] : [notes]),
    `Beside a writer:\n${indented(besideWriter)}`,
    `Exit codes:\n${exitCodeLines(exitCodes)}`,
    `Environment:\n${pairs(ENVIRONMENT)}`,
    `Files:\n${pairs(files)}`,
    `See also:\n${listed(seeAlso.map((verb) => `varve help ${verb}`))}`,
    exampleText(examples),
  ];
  return `\n${parts.join('\n\n')}`;
}

/** The end of the program's own help text. */
export function programHelp(examples: readonly Example[]): string {
  const all = Object.fromEntries(Object.keys(EXIT_CODES).map((code) => [code, true as const]));
  const parts = [
    `Exit codes:\n${exitCodeLines(all)}`,
    `Environment:\n${pairs(ENVIRONMENT)}`,
    exampleText(examples),
  ];
  return `\n${parts.join('\n\n')}`;
}

function exitCodeLines(codes: HelpSections['exitCodes']): string {
  const lines = Object.values(ExitCode).flatMap((code) => {
    const sentence = codes[code];
    if (sentence === undefined) return [];
    return `  ${String(code).padStart(3)}  ${sentence === true ? EXIT_CODES[code] : sentence}`;
  });
  return lines.join('\n');
}

function exampleText(examples: readonly Example[]): string {
  const lines = examples.map(({ command, does }) => `  # ${does}\n  $ ${command}`);
  return `Examples:\n${lines.join('\n\n')}`;
}

function pairs(entries: Readonly<Record<string, string>>): string {
  const width = Math.max(...Object.keys(entries).map((name) => name.length));
  return Object.entries(entries)
    .map(([name, text]) => `  ${name.padEnd(width)}  ${text}`)
    .join('\n');
}

/** Separated by commas, in lines. */
function listed(items: readonly string[]): string {
  const lines: string[] = [];
  for (const [index, item] of items.entries()) {
    const text = index === items.length - 1 ? item : `${item},`;
    const last = lines.at(-1);
    const isRoom = last !== undefined && last.length + text.length < LINE_CHARS_MAX;
    if (isRoom) lines[lines.length - 1] = `${last} ${text}`;
    else lines.push(`  ${text}`);
  }
  return lines.join('\n');
}

function indented(text: string): string {
  return text.replaceAll(/^/gm, '  ');
}
