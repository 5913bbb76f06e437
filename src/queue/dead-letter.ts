/**
 * Dead letters: what the copy of a dead record says of where it was, what was tried, and where it has
 * been before.
 *
 * Headers, all text: the last death by itself, so that a consumer need not parse; the whole way as JSON
 * (RabbitMQ's x-death), one entry per topic, group and reason with how often.
 */
import { isStoreError } from '../core/errors.ts';
import { ROUTING_KEY_BYTES_MAX } from '../core/limits.ts';
import { causeText, diedAt, routingKeyIn, type SourcePlace } from '../format/cause-headers.ts';
import {
  CAUSE_HEADER,
  DEATH_HEADERS,
  HEADER_PREFIX,
  HISTORY_HEADER,
} from '../format/header-names.ts';
import type { HeadersInput } from '../format/record-headers.ts';
import { routedHeaders } from '../format/routing-header.ts';
import type { RecordInput } from '../log/record-input.ts';
import type { LogRecord } from '../log/record.ts';
import { exchangeOfSource } from '../topic/topic-names.ts';
import type { DeathReason } from './share-entries.ts';
import type { Trials, Trouble } from './share-partition.ts';
import type { ShareSettings } from './share-settings.ts';

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
  /** Where the last copy went if that was an exchange, unless somebody drove the record back since. */
  readonly exchange?: string;
}

/** Where the copies of dead records go. */
export interface LetterWay {
  /** Name of a topic, or of the source of an exchange. */
  readonly name: string;
  /** Of an exchange; null = the record's own, or the name of the topic that it died in. */
  readonly routingKey: string | null;
}

/** Where those of a group go; null = nowhere. */
export function letterWay(
  settings: Pick<ShareSettings, 'deadLetter' | 'deadLetterRoutingKey'>,
): LetterWay | null {
  const { deadLetter: name, deadLetterRoutingKey: routingKey } = settings;
  return name === null ? null : { name, routingKey };
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

const textDecoder = new TextDecoder('utf-8', { ignoreBOM: true }); // A mark is part of a key.

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

/** With one more death. @param exchange  where the copy goes; null = to no exchange */
export function withDeath(
  history: readonly DeathHop[],
  death: Death,
  exchange: string | null = null,
): readonly DeathHop[] {
  const { topic, group, reason, partition, offset, timeMs } = death;
  const isSame = (hop: DeathHop) =>
    hop.topic === topic && hop.group === group && hop.reason === reason;
  const before = history.find(isSame);
  const hop: DeathHop =
    before === undefined
      ? { topic, group, reason, count: 1, partition, offset, firstMs: timeMs, lastMs: timeMs }
      : { ...withoutExchange(before), count: before.count + 1, lastMs: timeMs };
  const newest = exchange === null ? hop : { exchange, ...hop };
  return [newest, ...history.filter((each) => !isSame(each))].slice(0, HOPS_MAX);
}

/**
 * Whether a copy that goes to the topic `destination` would go round for ever: it died there before, and
 * since then nobody has rejected it (RabbitMQ's rule).
 */
export function isCycle(history: readonly DeathHop[], destination: string): boolean {
  return isUnrejected(
    history,
    history.findIndex(({ topic }) => topic === destination),
  );
}

/**
 * The same of an exchange, of which nobody knows yet where it will lead: the copy that went there when it
 * died in this place before has come back by itself, for nobody has rejected it since, nor redriven it.
 *
 * @param history  of the deaths before this one
 */
export function isRoutedBack(
  history: readonly DeathHop[],
  { topic, group, reason }: Death,
  exchange: string,
): boolean {
  if (reason === 'rejected') return false;
  const isHere = (hop: DeathHop) =>
    hop.topic === topic && hop.group === group && hop.exchange === exchange;
  return isUnrejected(history, history.findIndex(isHere));
}

/** Whether nobody rejected it in the hop at `at`, nor since. */
function isUnrejected(history: readonly DeathHop[], at: number): boolean {
  return at >= 0 && history.slice(0, at + 1).every(({ reason }) => reason !== 'rejected');
}

/** The copy of a dead record. @throws TooLargeError when what is said of it does not fit its headers */
export function deadLetterOf(
  record: LogRecord<Uint8Array>,
  death: Death,
  way: LetterWay,
): RecordInput<Uint8Array> {
  const { headers: own } = record;
  const routingKey = routingKeyIn(own);
  const isRouted = exchangeOfSource(way.name) !== null;
  const history = withDeath(historyOf(own), death, isRouted ? way.name : null);
  const headers = headersWithout(own, HEADER_PREFIX);
  Object.assign(headers, deathHeaders(death)); // Names behind a spread are slow in Node 20.
  if (routingKey !== null) headers[DEATH_HEADERS.routingKey] = routingKey;
  headers[HISTORY_HEADER] = JSON.stringify(history);
  const key = way.routingKey ?? routingKey;
  return {
    value: record.valueView(),
    key: record.keyView(),
    headers: isRouted ? routedHeaders(checkedKey(key) ?? death.topic, headers) : headers,
    createTimeMs: record.createTimeMs,
  };
}

/** How a record goes back. */
export interface RedriveWay {
  /** Where it was until now. */
  readonly from: SourcePlace;
  /** Name of the topic that it goes to, or of the source of an exchange. */
  readonly to: string;
  /** One that no header tells of yet; null = there is none. */
  readonly death: Death | null;
  /** In place of its own; undefined = those stay. */
  readonly headers?: HeadersInput | null | undefined;
}

/**
 * The record as it goes back: without what was said of its last death, with its history, under the routing
 * key that it had before, and with the place where it was. With bytes of its own: what was read beside it
 * is not kept.
 *
 * @throws TooLargeError when that does not fit its headers; as `encodeHeaders`
 */
export function redrivenOf(record: LogRecord<unknown>, way: RedriveWay): RecordInput<Uint8Array> {
  const { from, to, death, headers: given } = way;
  const { headers: own } = record;
  const headers: Record<string, Uint8Array | string> =
    given === undefined ? headersWithout(own, HEADER_PREFIX) : { ...given };
  const history = withoutExchanges(historyOf(own));
  const deaths = death === null ? history : withDeath(history, death);
  if (deaths.length > 0) headers[HISTORY_HEADER] = JSON.stringify(deaths);
  headers[CAUSE_HEADER] = causeText(from);
  const isRouted = exchangeOfSource(to) !== null;
  const origin = death === null ? diedAt(own) : null; // Of a letter; it has a routing key of its own.
  const before = origin === null ? routingKeyIn(own) : textIn(own, DEATH_HEADERS.routingKey);
  const routingKey = checkedKey(before) ?? (isRouted ? (origin ?? from).topic : null);
  return {
    value: copyOf(record.valueView()),
    key: copyOf(record.keyView()),
    headers: routingKey === null ? headers : routedHeaders(routingKey, headers),
    createTimeMs: record.createTimeMs,
  };
}

/** The copy, or null: with what it says of itself it has more headers than a record may have. */
export function fitting(copy: () => RecordInput<Uint8Array>): RecordInput<Uint8Array> | null {
  try {
    return copy();
  } catch (error) {
    if (isStoreError(error, 'ERR_VARVE_TOO_LARGE')) return null;
    throw error;
  }
}

/** Null = it can be none: somebody else's header. */
function checkedKey(key: string | null): string | null {
  return key === null || Buffer.byteLength(key, 'utf8') > ROUTING_KEY_BYTES_MAX ? null : key;
}

function withoutExchanges(history: readonly DeathHop[]): readonly DeathHop[] {
  return history.map(withoutExchange);
}

function withoutExchange(hop: DeathHop): DeathHop {
  const { exchange: _exchange, ...others } = hop;
  return others;
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

function textIn(headers: ReadonlyMap<string, Uint8Array>, name: string): string | null {
  const bytes = headers.get(name);
  return bytes === undefined ? null : textDecoder.decode(bytes);
}

function isHop(value: unknown): value is DeathHop {
  if (typeof value !== 'object' || value === null) return false;
  const hop: Partial<Record<keyof DeathHop, unknown>> = value;
  const { topic, group, reason, count, partition, offset, firstMs, lastMs, exchange = '' } = hop;
  const texts = [topic, group, reason, exchange];
  const numbers = [count, partition, offset, firstMs, lastMs];
  return (
    texts.every((each) => typeof each === 'string') &&
    numbers.every((each) => Number.isSafeInteger(each))
  );
}
