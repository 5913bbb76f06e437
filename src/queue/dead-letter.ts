/**
 * Dead letters: what the copy of a dead record says of where it was, what was tried, and where it has
 * been before.
 *
 * Headers, all text: the last death by itself, so that a consumer need not parse; the whole way as JSON
 * (RabbitMQ's x-death), one entry per topic, group and reason with how often.
 */
import type { RecordInput } from '../log/record-input.ts';
import type { LogRecord } from '../log/record.ts';
import type { DeathReason } from './share-entries.ts';
import type { Trials, Trouble } from './share-partition.ts';

/** All headers that Varve sets itself begin like this. */
export const HEADER_PREFIX = 'varve-';

export const DEATH_HEADERS = {
  reason: 'varve-death-reason',
  topic: 'varve-death-topic',
  group: 'varve-death-group',
  partition: 'varve-death-partition',
  offset: 'varve-death-offset',
  attempts: 'varve-death-attempts',
  failures: 'varve-death-failures',
  expiries: 'varve-death-expiries',
  crashes: 'varve-death-crashes',
  firstError: 'varve-death-first-error',
  firstErrorMs: 'varve-death-first-error-ms',
  lastError: 'varve-death-last-error',
  lastErrorMs: 'varve-death-last-error-ms',
  timeMs: 'varve-death-ms',
} as const;

/** Stays when a dead letter is driven back: where the record has died so far. */
export const HISTORY_HEADER = 'varve-deaths';

/** Longest history that is kept, newest deaths first. */
const HOPS_MAX = 32;

/** Deaths of one record in one place for one reason. */
export interface DeathHop {
  readonly topic: string;
  readonly group: string;
  readonly reason: DeathReason;
  readonly count: number;
  /** Of the first of them. */
  readonly partition: number;
  readonly offset: number;
  readonly firstMs: number;
  readonly lastMs: number;
}

/** A death, as its copy tells of it. */
export interface Death extends Trials {
  readonly topic: string;
  readonly group: string;
  readonly partition: number;
  readonly offset: number;
  readonly reason: DeathReason;
  readonly trouble: Trouble | null;
  readonly timeMs: number;
}

const textDecoder = new TextDecoder();

/** Where the record has died so far, newest first; none when it has not, or nobody can tell. */
export function historyOf(headers: ReadonlyMap<string, Uint8Array>): readonly DeathHop[] {
  const bytes = headers.get(HISTORY_HEADER);
  if (bytes === undefined) return [];
  try {
    const hops: unknown = JSON.parse(textDecoder.decode(bytes));
    return Array.isArray(hops) ? hops.filter(isHop) : [];
  } catch {
    return []; // Somebody else's header.
  }
}

/** With one more death. */
export function withDeath(history: readonly DeathHop[], death: Death): readonly DeathHop[] {
  const { topic, group, reason, partition, offset, timeMs } = death;
  const isSame = (hop: DeathHop) =>
    hop.topic === topic && hop.group === group && hop.reason === reason;
  const before = history.find(isSame);
  const hop: DeathHop =
    before === undefined
      ? { topic, group, reason, count: 1, partition, offset, firstMs: timeMs, lastMs: timeMs }
      : { ...before, count: before.count + 1, lastMs: timeMs };
  return [hop, ...history.filter((each) => !isSame(each))].slice(0, HOPS_MAX);
}

/**
 * Whether a copy that goes to `destination` would go round for ever: it died there before, and since
 * then nobody has rejected it (RabbitMQ's rule).
 */
export function isCycle(history: readonly DeathHop[], destination: string): boolean {
  const at = history.findIndex(({ topic }) => topic === destination);
  return at >= 0 && history.slice(0, at + 1).every(({ reason }) => reason !== 'rejected');
}

/** The copy of a dead record. */
export function deadLetterOf(record: LogRecord<Uint8Array>, death: Death): RecordInput<Uint8Array> {
  const { headers: own } = record;
  const headers = headersWithout(own, HEADER_PREFIX);
  Object.assign(headers, deathHeaders(death)); // Names behind a spread are slow in Node 20.
  headers[HISTORY_HEADER] = historyText(own, death);
  return {
    value: record.valueView(),
    key: record.keyView(),
    headers,
    createTimeMs: record.createTimeMs,
  };
}

/**
 * The record as it goes back: without what was said of its last death, with its history. With bytes of
 * its own: what was read beside it is not kept.
 *
 * @param death  one that no header tells of yet
 */
export function redrivenOf(
  record: LogRecord<unknown>,
  death: Death | null = null,
): RecordInput<Uint8Array> {
  const { headers: own } = record;
  const headers = headersWithout(own, HEADER_PREFIX);
  const history = death === null ? own.get(HISTORY_HEADER) : historyText(own, death);
  if (history !== undefined) headers[HISTORY_HEADER] = history;
  return {
    value: copyOf(record.valueView()),
    key: copyOf(record.keyView()),
    headers,
    createTimeMs: record.createTimeMs,
  };
}

/** Where a dead letter comes from; null when it is none. */
export function originOf(
  headers: ReadonlyMap<string, Uint8Array>,
): { readonly topic: string; readonly partition: number; readonly offset: number } | null {
  const topic = headers.get(DEATH_HEADERS.topic);
  if (topic === undefined) return null;
  const partition = numberOf(headers.get(DEATH_HEADERS.partition));
  const offset = numberOf(headers.get(DEATH_HEADERS.offset));
  return { topic: textDecoder.decode(topic), partition, offset };
}

function historyText(headers: ReadonlyMap<string, Uint8Array>, death: Death): string {
  return JSON.stringify(withDeath(historyOf(headers), death));
}

function deathHeaders({ trouble, ...death }: Death): Record<string, string> {
  const headers: Record<string, string> = {
    [DEATH_HEADERS.reason]: death.reason,
    [DEATH_HEADERS.topic]: death.topic,
    [DEATH_HEADERS.group]: death.group,
    [DEATH_HEADERS.partition]: String(death.partition),
    [DEATH_HEADERS.offset]: String(death.offset),
    [DEATH_HEADERS.attempts]: String(death.attempts),
    [DEATH_HEADERS.failures]: String(death.failures),
    [DEATH_HEADERS.expiries]: String(death.expiries),
    [DEATH_HEADERS.crashes]: String(death.crashes),
    [DEATH_HEADERS.timeMs]: String(death.timeMs),
  };
  if (trouble === null) return headers;
  const { firstError, firstErrorMs, lastError, lastErrorMs } = trouble;
  headers[DEATH_HEADERS.firstError] = firstError;
  headers[DEATH_HEADERS.firstErrorMs] = String(firstErrorMs);
  headers[DEATH_HEADERS.lastError] = lastError;
  headers[DEATH_HEADERS.lastErrorMs] = String(lastErrorMs);
  return headers;
}

function headersWithout(
  headers: ReadonlyMap<string, Uint8Array>,
  prefix: string,
): Record<string, Uint8Array | string> {
  return Object.fromEntries([...headers].filter(([name]) => !name.startsWith(prefix)));
}

function copyOf(view: Uint8Array | null): Uint8Array | null {
  return view === null ? null : new Uint8Array(view);
}

function numberOf(bytes: Uint8Array | undefined): number {
  const value = bytes === undefined ? Number.NaN : Number(textDecoder.decode(bytes));
  return Number.isSafeInteger(value) && value >= 0 ? value : 0;
}

function isHop(value: unknown): value is DeathHop {
  if (typeof value !== 'object' || value === null) return false;
  const hop: Partial<Record<keyof DeathHop, unknown>> = value;
  const { topic, group, reason, count, partition, offset, firstMs, lastMs } = hop;
  const texts = [topic, group, reason];
  const numbers = [count, partition, offset, firstMs, lastMs];
  return (
    texts.every((each) => typeof each === 'string') &&
    numbers.every((each) => Number.isSafeInteger(each))
  );
}
