/**
 * A topology as a plain JSON document: by names, sorted, the same text for the same topology, and fit to
 * be written by hand.
 */
import { isUtf8 } from 'node:buffer';
import { argumentError, present } from '../core/assert.ts';
import { unknownKey } from '../core/options.ts';
import { choice, fieldsOf, flag, list, nullable, struct, type Shape } from '../core/shape.ts';
import { checkName } from '../topic/topic-names.ts';
import { EXCHANGE_TYPES, type BindingIdentity, type ExchangeType, type Target } from './binding.ts';
import { checkPatternOf } from './binding-weight.ts';
import type { ExchangeCatalog, ExchangeDescription } from './exchange-catalog.ts';
import {
  checkHeaderConditions,
  textOfConditions,
  type HeaderConditions,
} from './header-conditions.ts';
import { checkPattern } from './routing-key.ts';

export interface DocumentExchange {
  readonly name: string;
  readonly type: ExchangeType;
  /** Name of the exchange that gets what no binding matches; null = none, the default. */
  readonly alternate: string | null;
  /** Takes records from other exchanges alone; default false. */
  readonly internal: boolean;
  /** Goes with its last binding; default false. */
  readonly autoDelete: boolean;
}

/** One of the three, by name. Queues and topics share their names. */
export type DocumentDestination =
  { readonly queue: string } | { readonly topic: string } | { readonly exchange: string };

/** Of a headers exchange: `x-match`, and text, bytes or null by name. */
export type DocumentHeaders = Readonly<Record<string, string | { readonly base64: string } | null>>;

export interface DocumentBinding {
  readonly exchange: string;
  readonly destination: DocumentDestination;
  /** Default empty. */
  readonly pattern: string;
  readonly headers?: DocumentHeaders;
}

export interface TopologyDocument {
  /** By name. */
  readonly exchanges: readonly DocumentExchange[];
  /** By exchange, destination, pattern and headers, each once. */
  readonly bindings: readonly DocumentBinding[];
}

/** What a topic is called, and whether it is a queue. */
export interface KnownTopic {
  readonly name: string;
  readonly topicId: number;
  readonly isQueue: boolean;
}

const DESTINATION_KINDS = ['queue', 'topic', 'exchange'] as const;
const DOCUMENT_KEYS: readonly string[] = ['exchanges', 'bindings'];
const BASE64 = 'base64';

const name: Shape<string> = { check: checkName };

const exchange: Shape<DocumentExchange> = struct({
  name,
  type: choice(EXCHANGE_TYPES),
  alternate: withDefault(nullable(name), null),
  internal: withDefault(flag, false),
  autoDelete: withDefault(flag, false),
});

const destination: Shape<DocumentDestination> = {
  check(place, value) {
    // A bare name would not say of what.
    const [[kind, given] = [], ...others] = typeof value === 'string' ? [] : fieldsOf(place, value);
    const known = DESTINATION_KINDS.find((each) => each === kind);
    if (known === undefined || others.length > 0) {
      throw argumentError(TypeError, place, '{ queue }, { topic } or { exchange }, a name', value);
    }
    return destinationOf(known, checkName(`${place}.${known}`, given));
  },
};

const headers: Shape<HeaderConditions | null> = {
  check(place, value) {
    if (value === undefined || value === null) return null;
    const given = [...fieldsOf(place, value)].map(
      ([header, condition]) => [header, conditionOf(`${place}['${header}']`, condition)] as const,
    );
    return checkHeaderConditions(place, Object.fromEntries(given));
  },
};

const bindingFields = struct({
  exchange: name,
  destination,
  pattern: withDefault<string>({ check: checkPattern }, ''),
  headers,
});

/** A binding as a program or a file gives it. */
export const documentBinding: Shape<DocumentBinding> = {
  check(place, value) {
    const { headers: conditions, ...others } = bindingFields.check(place, value);
    return conditions === null ? others : { ...others, headers: headersOf(conditions) };
  },
};

/**
 * Checks a document, fills in what may be left out, and puts it in order.
 *
 * @param value       what `JSON.parse` gave
 * @param isElsewhere whether an exchange is there that the document names and does not have
 * @throws TypeError, RangeError (`ERR_VARVE_INVALID_ARGUMENT`), BadPatternError and TooLargeError with the
 *   place, such as `bindings[3].pattern`: unknown keys too, exchanges that are there twice, and names of
 *   exchanges that are nowhere
 */
export function checkTopologyDocument(
  value: unknown,
  isElsewhere: (exchange: string) => boolean = () => false,
): TopologyDocument {
  const fields = fieldsOf('topology', value);
  const unknown = [...fields.keys()].find((key) => !DOCUMENT_KEYS.includes(key));
  if (unknown !== undefined) {
    throw argumentError(TypeError, 'topology', unknownKey(unknown, DOCUMENT_KEYS), value);
  }
  const document = {
    exchanges: list(exchange).check('exchanges', fields.get('exchanges') ?? []),
    bindings: list(documentBinding).check('bindings', fields.get('bindings') ?? []),
  };
  checkNames(document, isElsewhere);
  return inOrder(document);
}

/** The exchanges of a store and their bindings. */
export function exportTopology(
  catalog: Pick<ExchangeCatalog, 'list' | 'bindings'>,
  topics: readonly KnownTopic[],
): TopologyDocument {
  const exchanges = catalog.list();
  const nameOf = bindingNamer(exchanges, topics);
  const bindings = exchanges.flatMap((each) =>
    catalog.bindings(each.name).flatMap((binding) => nameOf(binding) ?? []),
  );
  return inOrder({
    exchanges: exchanges.map(({ exchangeId: _id, bindingCount: _count, ...declared }) => declared),
    bindings,
  });
}

/** Puts bindings of exchanges that are there by names; null = what it leads to is being deleted. */
export function bindingNamer(
  exchanges: readonly Pick<ExchangeDescription, 'exchangeId' | 'name'>[],
  topics: readonly KnownTopic[],
): (binding: BindingIdentity) => DocumentBinding | null {
  const exchangeNames = new Map(exchanges.map((each) => [each.exchangeId, each.name]));
  const topicsById = new Map(topics.map((topic) => [topic.topicId, topic]));
  const targetOf = ({ kind, id }: Target): DocumentDestination | null => {
    if (kind === 'exchange') return { exchange: present(exchangeNames.get(id), 'it is there') };
    const topic = topicsById.get(id);
    if (topic === undefined) return null;
    return destinationOf(topic.isQueue ? 'queue' : 'topic', topic.name);
  };
  return ({ exchangeId, target, routingKey: pattern, headers: conditions }) => {
    const to = targetOf(target);
    if (to === null) return null;
    const from = present(exchangeNames.get(exchangeId), 'it is there');
    const binding = { exchange: from, destination: to, pattern };
    return conditions === null ? binding : { ...binding, headers: headersOf(conditions) };
  };
}

/** Equal texts for bindings that are one, and for no others. */
export function bindingText(binding: DocumentBinding): string {
  const { kind, name: to } = destinationName(binding.destination);
  const conditions = conditionsOf(binding);
  const asked = conditions === null ? null : textOfConditions(conditions);
  return JSON.stringify([binding.exchange, kind, to, binding.pattern, asked]);
}

/** Where a binding leads: a queue is a topic. */
export function destinationName(to: DocumentDestination): {
  readonly kind: 'topic' | 'exchange';
  readonly name: string;
} {
  if ('exchange' in to) return { kind: 'exchange', name: to.exchange };
  return { kind: 'topic', name: 'queue' in to ? to.queue : to.topic };
}

/** The conditions of a binding that was checked; null = it has none. */
export function conditionsOf(binding: DocumentBinding): HeaderConditions | null {
  return headers.check('headers', binding.headers);
}

function destinationOf(kind: (typeof DESTINATION_KINDS)[number], to: string): DocumentDestination {
  if (kind === 'exchange') return { exchange: to };
  return kind === 'queue' ? { queue: to } : { topic: to };
}

function conditionOf(place: string, value: unknown): string | Uint8Array | null {
  if (value === null || typeof value === 'string' || value instanceof Uint8Array) return value;
  const [[key, encoded] = [], ...others] = fieldsOf(place, value);
  if (key !== BASE64 || others.length > 0) {
    throw argumentError(TypeError, place, 'a string, { base64 } or null', value);
  }
  const bytes = typeof encoded === 'string' ? Buffer.from(encoded, BASE64) : null;
  if (bytes === null || bytes.toString(BASE64) !== encoded) {
    throw argumentError(TypeError, `${place}.${BASE64}`, 'base64', encoded);
  }
  return bytes;
}

/** As the document has them. Defined one by one: any name may come, `__proto__` too. */
function headersOf({ match, conditions }: HeaderConditions): DocumentHeaders {
  const values = conditions.map(({ name: header, value }) => {
    if (value === null) return [header, null] as const;
    const bytes = Buffer.from(value);
    const shown = isUtf8(bytes) ? bytes.toString('utf8') : { base64: bytes.toString(BASE64) };
    return [header, shown] as const;
  });
  return Object.fromEntries([['x-match', match] as const, ...values]);
}

function checkNames(
  { exchanges, bindings }: TopologyDocument,
  isElsewhere: (exchange: string) => boolean,
): void {
  const known = new Map<string, ExchangeType>();
  for (const [at, { name: own, type }] of exchanges.entries()) {
    if (known.has(own)) {
      throw argumentError(RangeError, `exchanges[${at}].name`, 'of one exchange alone', own);
    }
    known.set(own, type);
  }
  const check = (place: string, named: string): void => {
    if (known.has(named) || isElsewhere(named)) return;
    throw argumentError(RangeError, place, 'an exchange that is there', named);
  };
  for (const [at, { alternate }] of exchanges.entries()) {
    if (alternate !== null) check(`exchanges[${at}].alternate`, alternate);
  }
  for (const [at, { exchange: from, destination: to, pattern }] of bindings.entries()) {
    check(`bindings[${at}].exchange`, from);
    const type = known.get(from);
    if (type !== undefined) checkPatternOf(type, `bindings[${at}].pattern`, pattern);
    if ('exchange' in to) check(`bindings[${at}].destination.exchange`, to.exchange);
  }
}

function inOrder({ exchanges, bindings }: TopologyDocument): TopologyDocument {
  const byText = new Map(bindings.map((binding) => [bindingText(binding), binding]));
  return {
    exchanges: exchanges.toSorted((one, two) => (one.name < two.name ? -1 : 1)),
    bindings: [...byText]
      .sort(([one], [two]) => (one < two ? -1 : 1))
      .map(([, binding]) => binding),
  };
}

function withDefault<T>(shape: Shape<T>, instead: T): Shape<T> {
  return {
    check: (place, value) => (value === undefined ? instead : shape.check(place, value)),
  };
}
