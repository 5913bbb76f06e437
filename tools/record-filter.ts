/** `--grep` and `--key`: which records a verb shows. */
import { InvalidArgumentError, Option } from 'commander';
import type { LogRecord } from '../src/index.ts';

export interface FilterOptions {
  readonly grep?: string;
  readonly key?: string;
  readonly ignoreCase?: true;
}

/** The options, for the verbs that have them. */
export const FILTER_OPTIONS: readonly Option[] = [
  new Option('--grep <regexp>', 'only records whose value, as UTF-8 text, matches').argParser(
    checkRegExp,
  ),
  new Option('--key <regexp>', 'only records whose key matches').argParser(checkRegExp),
  new Option('-i, --ignore-case', 'for --grep and --key'),
];

/** Whether a record is wanted; null when every record is. A tombstone has no value to match. */
export function compileFilter(
  options: FilterOptions,
): ((record: LogRecord<Uint8Array>) => boolean) | null {
  // Not `u`: with it the braces of a JSON value would have to be escaped.
  const flags = options.ignoreCase === true ? 'i' : '';
  const value = options.grep === undefined ? null : new RegExp(options.grep, flags);
  const key = options.key === undefined ? null : new RegExp(options.key, flags);
  if (value === null && key === null) return null;
  const decoder = new TextDecoder();
  return (record) => {
    if (key !== null && (record.key === null || !key.test(record.key))) return false;
    return value === null || (record.value !== null && value.test(decoder.decode(record.value)));
  };
}

function checkRegExp(text: string): string {
  try {
    RegExp(text);
    return text;
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? `${error.message}.` : '');
  }
}
