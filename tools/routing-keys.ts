/** The routing keys of records on their way to an exchange: until they are published, in headers. */
import { isUtf8 } from 'node:buffer';
import { InvalidArgumentError } from 'commander';
import { TooLargeError, type TopicRecordInput } from '../src/index.ts';
import { BCC_HEADER, CC_HEADER, ROUTING_KEY_HEADER } from '../src/format/header-names.ts';
import { meantBy } from '../src/core/options.ts';
import { checkRoutingKey } from '../src/format/routing-header.ts';
import { checkRoutingKeys } from '../src/routing/routing-key.ts';
import { UsageError } from './command-error.ts';
import {
  badField,
  dedupIdField,
  isObject,
  parseObject,
  recordFromFields,
  type FieldReader,
} from './record-json.ts';

type Bytes = TopicRecordInput<Uint8Array>;

/** As `publish` takes them. */
export interface RecordKeys {
  readonly routingKey: string;
  readonly cc?: readonly string[];
  readonly bcc?: readonly string[];
}

/** Of a line; others are let by, as those that `cat --json` prints besides. */
const KEY_FIELDS: readonly string[] = ['routingKey', 'cc', 'bcc'];

const KEY_HEADERS: readonly string[] = [ROUTING_KEY_HEADER, CC_HEADER, BCC_HEADER];

export function isKeyHeader({ name }: { readonly name: string }): boolean {
  return KEY_HEADERS.includes(name);
}

/** The headers in which keys travel. */
export function keyHeaders({ routingKey, cc, bcc }: Partial<RecordKeys>): Record<string, string> {
  return {
    ...(routingKey === undefined ? {} : { [ROUTING_KEY_HEADER]: routingKey }),
    ...(cc === undefined ? {} : { [CC_HEADER]: JSON.stringify(cc) }),
    ...(bcc === undefined ? {} : { [BCC_HEADER]: JSON.stringify(bcc) }),
  };
}

/** The keys that travel with a record. @throws UsageError for what cannot be keys */
export function keysOf({ headers }: Bytes): RecordKeys {
  const found = isObject(headers) ? headers : {};
  const [cc, bcc] = [furtherIn(found, CC_HEADER), furtherIn(found, BCC_HEADER)];
  return {
    routingKey: textIn(found, ROUTING_KEY_HEADER) ?? '',
    ...(cc === null ? {} : { cc }),
    ...(bcc === null ? {} : { bcc }),
  };
}

/** @throws UsageError unless they may be the keys of a record */
export function checkKeys({ routingKey, cc, bcc }: Partial<RecordKeys>): void {
  try {
    if (routingKey !== undefined) checkRoutingKey('routing key', routingKey);
    if (cc !== undefined) checkRoutingKeys('cc', cc);
    if (bcc !== undefined) checkRoutingKeys('bcc', bcc);
  } catch (error) {
    throw error instanceof TooLargeError ? new UsageError(error.message) : error;
  }
}

/** `--cc` and `--bcc`: commander calls it for each one. */
export function parseFurtherKey(given: string, before: readonly string[] = []): readonly string[] {
  const keys = [...before, given];
  try {
    checkRoutingKeys('keys', keys);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? `${error.message}.` : '');
  }
  return keys;
}

/**
 * As `recordFromJson`, with `"routingKey"`, `"cc"` and `"bcc"`; without them, the headers that the
 * records of a source have.
 *
 * @throws UsageError naming the line
 */
export function publishedFromJson(line: Uint8Array, lineNumber: number): Bytes {
  const parsed = parseObject(line, lineNumber);
  const fields = { parsed, lineNumber };
  const record = recordFromFields(fields);
  const misspelt = Object.keys(parsed).find((name) => keyFieldMeantBy(name) !== null);
  if (misspelt !== undefined) {
    const meant = `to be spelt \`${keyFieldMeantBy(misspelt)}\``;
    throw badField(fields, misspelt, meant);
  }
  const { routingKey } = parsed;
  if (routingKey !== undefined && typeof routingKey !== 'string') {
    throw badField(fields, 'routingKey', 'to be a string');
  }
  const own = keyHeaders({
    ...(routingKey === undefined ? {} : { routingKey }),
    ...furtherField(fields, 'cc'),
    ...furtherField(fields, 'bcc'),
  });
  const { headers } = record;
  const all = { ...(isObject(headers) ? headers : {}), ...own };
  return { ...record, ...dedupIdField(fields), headers: all };
}

/** A record whose key is misspelt would go elsewhere. Null = it is spelt right, or no key is meant. */
function keyFieldMeantBy(name: string): string | null {
  if (KEY_FIELDS.includes(name)) return null;
  return meantBy(name.replaceAll(/[-_]/gu, ''), KEY_FIELDS);
}

function furtherField(fields: FieldReader, name: 'cc' | 'bcc'): Partial<RecordKeys> {
  const found = fields.parsed[name];
  if (found === undefined) return {};
  if (isTexts(found)) return { [name]: found };
  throw badField(fields, name, 'to be an array of strings');
}

function furtherIn(headers: Readonly<Record<string, unknown>>, name: string): string[] | null {
  const content = textIn(headers, name);
  if (content === null) return null;
  try {
    const keys: unknown = JSON.parse(content);
    return isTexts(keys) ? keys : null;
  } catch {
    return null; // A header of somebody's own, which is not published.
  }
}

/** @throws UsageError for what is not UTF-8 */
function textIn(headers: Readonly<Record<string, unknown>>, name: string): string | null {
  const found = headers[name];
  if (typeof found === 'string') return found;
  if (!(found instanceof Uint8Array)) return null;
  if (!isUtf8(found)) throw new UsageError('a routing key is text, and this one is not UTF-8');
  return Buffer.from(found).toString('utf8');
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}
