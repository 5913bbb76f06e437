/**
 * The format language of `varve cat`, with the letters of kcat and rpk.
 *
 * A format is compiled once into pieces; each piece turns a record into text or raw bytes.
 */
import { escapeText } from './escape-text.ts';
import { UsageError } from './command-error.ts';
import { formatTime } from './units.ts';
import type { LogRecord } from '../src/index.ts';

type StoredRecord = LogRecord<Uint8Array>;
/** Text or bytes of one record. */
export type FormatPiece = (record: StoredRecord) => string | Uint8Array;

export interface FormatOptions {
  /** Escape control characters of keys, values and headers: for terminals. */
  readonly escape: boolean;
}

/** The directives, for help texts. */
export const FORMAT_HELP = `Format directives:
  %o offset              %k key         %h headers, as name=value,...
  %t create time, ms     %v value       %s stored size of the record, bytes
  %T append time, ms     %p partition   %% a percent sign
  %t{iso} %T{iso}        the time as ISO 8601
  %k{hex} %v{base64}     key or value as hex or base64
  \\n \\t \\r \\0 \\\\ \\xNN    characters
A null key, and the null value of a tombstone, print as nothing; --json tells them apart.
On a terminal, control characters of the data are escaped; a pipe gets the bytes as they are.`;

/** @throws UsageError naming the character position of what is not understood */
export function compileFormat(format: string, options: FormatOptions): FormatPiece[] {
  const pieces: FormatPiece[] = [];
  const token = /%([A-Za-z%])(?:\{([^}]*)\})?|\\(x[0-9A-Fa-f]{2}|[\s\S])|[^%\\]+|[%\\]/gy;
  for (const match of format.matchAll(token)) {
    const [text, letter, modifier, escape] = match;
    if (letter !== undefined)
      pieces.push(directive({ letter, modifier, at: match.index }, options));
    else if (escape !== undefined) pieces.push(literal(character(escape, match.index)));
    else if (text === '%' || text === '\\') throw notUnderstood(text, match.index);
    else pieces.push(literal(text));
  }
  return pieces;
}

interface Directive {
  readonly letter: string;
  readonly modifier: string | undefined;
  readonly at: number;
}

function directive(directiveAt: Directive, options: FormatOptions): FormatPiece {
  const { letter, modifier, at } = directiveAt;
  if (letter === 'k') return bytesPiece(directiveAt, options, (record) => record.keyView());
  if (letter === 'v') return bytesPiece(directiveAt, options, (record) => record.valueView());
  if (letter === 't') return timePiece(directiveAt, (record) => record.createTimeMs);
  if (letter === 'T') return timePiece(directiveAt, (record) => record.appendTimeMs);
  if (modifier !== undefined) throw notUnderstood(`%${letter}{${modifier}}`, at);
  switch (letter) {
    case 'o':
      return (record) => String(record.offset);
    case 'p':
      return (record) => String(record.partition);
    case 's':
      return (record) => String(record.sizeBytes);
    case 'h':
      return (record) => headersText(record, options);
    case '%':
      return literal('%');
    default:
      throw notUnderstood(`%${letter}`, at);
  }
}

function bytesPiece(
  { letter, modifier, at }: Directive,
  options: FormatOptions,
  view: (record: StoredRecord) => Uint8Array | null,
): FormatPiece {
  if (modifier === undefined) {
    if (!options.escape) return (record) => view(record) ?? '';
    return (record) => escapeText(textOf(view(record)));
  }
  if (modifier !== 'hex' && modifier !== 'base64')
    throw notUnderstood(`%${letter}{${modifier}}`, at);
  return (record) => bufferOf(view(record)).toString(modifier);
}

function timePiece(
  { letter, modifier, at }: Directive,
  time: (record: StoredRecord) => number,
): FormatPiece {
  if (modifier === undefined) return (record) => String(time(record));
  if (modifier !== 'iso') throw notUnderstood(`%${letter}{${modifier}}`, at);
  return (record) => formatTime(time(record));
}

function headersText(record: StoredRecord, options: FormatOptions): string {
  const pairs = Array.from(record.headers, ([name, value]) => `${name}=${textOf(value)}`);
  const text = pairs.join(',');
  return options.escape ? escapeText(text) : text;
}

function literal(text: string): FormatPiece {
  return () => text;
}

const CHARACTERS: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  '0': '\0',
  '\\': '\\',
};

function character(escape: string, at: number): string {
  const known = CHARACTERS[escape];
  if (known !== undefined) return known;
  if (escape.length === 3) return String.fromCodePoint(Number.parseInt(escape.slice(1), 16));
  throw notUnderstood(`\\${escape}`, at);
}

function bufferOf(bytes: Uint8Array | null): Buffer {
  if (bytes === null) return Buffer.alloc(0);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function textOf(bytes: Uint8Array | null): string {
  return bufferOf(bytes).toString('utf8');
}

function notUnderstood(text: string, at: number): UsageError {
  return new UsageError(
    `--format: ${escapeText(text)} at character ${at + 1} is not understood`,
    'varve cat --help lists the directives',
  );
}
