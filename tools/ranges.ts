/** The range language of the command line: `--from`, `--to`, `--since`, `--limit`. */
import { InvalidArgumentError, Option } from 'commander';
import type { ReadFrom, ReadOptions } from '../src/index.ts';
import { UsageError } from './command-error.ts';
import { parseBytes, parseDuration } from './units.ts';

/** Range options as commander delivers them. */
export interface RangeOptions {
  readonly from?: ReadFrom;
  readonly to?: number;
  readonly since?: number;
  readonly limit?: number;
}

/** The options, for the verbs that read a range. */
export const RANGE_OPTIONS: readonly Option[] = [
  new Option(
    '--from <offset>',
    'start at an offset, earliest, latest, or -N for the last N (default: earliest)',
  )
    .argParser(parseFrom)
    .conflicts('since'),
  new Option('--to <offset>', 'stop before this offset (default: the end)').argParser(parseCount),
  new Option('--since <when>', 'start at a create time: 15m ago, or 2026-01-31T12:00Z').argParser(
    (text: string) => parseSince(text, Date.now()),
  ),
];

/** `earliest`, `latest`, an offset, or `-10` for the last ten records. */
export function parseFrom(text: string): ReadFrom {
  if (text === 'earliest' || text === 'latest') return text;
  if (text.startsWith('-')) return { last: parseCount(text.slice(1)) };
  return parseCount(text);
}

/** A whole number of at least 0. */
export function parseCount(text: string): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(count)) return count;
  throw new InvalidArgumentError('Expected a whole number.');
}

/** Bytes in a size such as `64MiB`. */
export function parseBytesOption(text: string): number {
  const bytes = parseBytes(text);
  if (bytes !== null && Number.isSafeInteger(bytes)) return bytes;
  throw new InvalidArgumentError('Expected a size such as 64MiB.');
}

/** A number such as `0.5`. */
export function parseShare(text: string): number {
  if (/^\d*\.?\d+$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Expected a number such as 0.5.');
}

/** Milliseconds in a duration such as `15m`. */
export function parseDurationOption(text: string): number {
  const durationMs = parseDuration(text);
  if (durationMs !== null) return Math.floor(durationMs);
  throw new InvalidArgumentError('Expected a duration such as 15m or 7d.');
}

/** Milliseconds since the epoch for an ISO time; without a zone it is UTC. */
export function parseTime(text: string): number {
  const timeMs = timeOf(text);
  if (timeMs !== null) return timeMs;
  throw new InvalidArgumentError('Expected a time such as 2026-01-31T12:00Z.');
}

const ISO_TIME =
  /^\d{4}-\d\d(?:-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?)?$/;

/**
 * Milliseconds since the epoch for `15m` (that long before `nowMs`) or an ISO time.
 *
 * A time without a zone is UTC: a log read on two machines must give the same records.
 */
export function parseSince(text: string, nowMs: number): number {
  const durationMs = parseDuration(text);
  if (durationMs !== null) return Math.max(0, Math.floor(nowMs - durationMs));
  const timeMs = timeOf(text);
  if (timeMs !== null) return timeMs;
  throw new InvalidArgumentError(
    'Expected a duration such as 15m, or a time such as 2026-01-31T12:00Z.',
  );
}

function timeOf(text: string): number | null {
  const hasZone = /(?:Z|[+-]\d\d:?\d\d)$/.test(text) || !/[T ]/.test(text);
  const timeMs = ISO_TIME.test(text) ? Date.parse(hasZone ? text : `${text}Z`) : Number.NaN;
  return Number.isNaN(timeMs) ? null : Math.max(0, timeMs);
}

/** What the log's readers take. @throws UsageError for options that exclude each other */
export function toReadOptions(options: RangeOptions): ReadOptions {
  const { from, to, since, limit } = options;
  if (from !== undefined && since !== undefined) {
    throw new UsageError('--from and --since both name a start: give one of them');
  }
  const start: ReadFrom = since === undefined ? (from ?? 'earliest') : { timestamp: since };
  return {
    from: start,
    ...(to === undefined ? {} : { to }),
    ...(limit === undefined ? {} : { limit }),
  };
}
