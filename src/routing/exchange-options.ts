/** What exchanges and bindings are made with, checked. */
import { argumentError, checkChoice } from '../core/assert.ts';
import type { Codec } from '../codec/codec.ts';
import { checkBoolean, isPlainObject, plainOptions } from '../core/options.ts';
import { checkName } from '../topic/topic-names.ts';
import { checkFrom, type ReadFrom } from '../log/read-options.ts';
import { checkTopicConfig, type TopicConfig } from '../topic/topic-options.ts';
import { EXCHANGE_TYPES, type ExchangeType } from './binding.ts';
import {
  checkHeaderConditions,
  type HeaderConditions,
  type HeaderConditionsInput,
} from './header-conditions.ts';
import { checkExchangeName } from './exchange-name.ts';
import { checkPattern } from './routing-key.ts';

export interface ExchangeConfig {
  /** How it routes; needed to make one. */
  readonly type?: ExchangeType | undefined;
  /** Name of the exchange that gets what no binding matches; null = none, the default. */
  readonly alternate?: string | null | undefined;
  /** Takes records from other exchanges alone; default false. */
  readonly internal?: boolean | undefined;
  /** Goes with its last binding; default false. */
  readonly autoDelete?: boolean | undefined;
  /** How its source log is kept, when it is made: `TopicConfig`; else as `Store.alterTopic` says. */
  readonly source?: TopicConfig | undefined;
}

export interface ExchangeOptions extends ExchangeConfig {
  /** Creates the exchange when there is none; default true. */
  readonly create?: boolean | undefined;
}

/** What a handle is opened with. */
export interface OpenExchangeOptions<T, Input = T> extends ExchangeOptions {
  /** Of values, for this handle; default bytes. */
  readonly codec?: Codec<T, Input> | undefined;
}

/** Where a binding leads: a queue or a topic by its name, or an exchange. */
export type DestinationInput =
  string | { readonly queue: string } | { readonly topic: string } | { readonly exchange: string };

/** What a binding takes. */
export interface BindingInput {
  /** Routing key of a direct exchange, pattern of a topic exchange; others do not look at it. Default ''. */
  readonly pattern?: string | undefined;
  /**
   * Of a headers exchange: what it asks of the headers of records. Names that begin with `x-` count with
   * `all-with-x` and `any-with-x` alone; where none counts, `all` takes everything and `any` nothing.
   */
  readonly headers?: HeaderConditionsInput | null | undefined;
}

export interface BindOptions {
  /**
   * The destination gets what was published before, too, from here on: `earliest`, a time, or an offset
   * of the source. Of no effect on a binding that was made with a past. Default: only what is published
   * from now on.
   */
  readonly from?: ReadFrom | undefined;
}

/** As `BindingInput`, and `BindOptions`. */
export interface BindRequest extends Omit<BindingInput, 'pattern'>, BindOptions {}

export interface DestinationName {
  readonly kind: 'topic' | 'exchange';
  readonly name: string;
}

const EXCHANGE_KEYS: ReadonlySet<string> = new Set<keyof ExchangeOptions>([
  'type',
  'alternate',
  'internal',
  'autoDelete',
  'source',
  'create',
]);
const BINDING_KEYS: ReadonlySet<string> = new Set<keyof BindingInput>(['pattern', 'headers']);
const BIND_OPTION_KEYS: ReadonlySet<string> = new Set<keyof BindOptions>(['from']);
const BIND_KEYS: ReadonlySet<string> = new Set<keyof BindRequest>(['headers', 'from']);
const DESTINATION_KINDS = ['queue', 'topic', 'exchange'] as const;

/** What is left out stays undefined. @throws TypeError, RangeError */
export function checkExchangeOptions(given: ExchangeOptions): ExchangeOptions {
  const options = plainOptions(given, EXCHANGE_KEYS);
  const { type, alternate, internal, autoDelete, create } = options;
  if (type !== undefined) checkChoice('type', type, EXCHANGE_TYPES);
  if (typeof alternate === 'string' || (alternate !== undefined && alternate !== null)) {
    checkExchangeName('alternate', alternate);
  }
  for (const [name, value] of Object.entries({ internal, autoDelete, create })) {
    if (value !== undefined) checkBoolean(name, value);
  }
  if (options.source !== undefined) checkTopicConfig(options.source);
  return options;
}

/** As `Exchange.bind` gets it; what it holds is checked later. @throws TypeError */
export function checkBindingInput(given: BindingInput): BindingInput {
  return plainOptions(given, BINDING_KEYS, 'binding');
}

/** @throws TypeError */
export function checkBindOptions(given: BindOptions): BindOptions {
  return plainOptions(given, BIND_OPTION_KEYS);
}

/** @throws TypeError, RangeError; BadPatternError; TooLargeError */
export function checkBinding(pattern: unknown, given: BindRequest): CheckedBinding {
  const { headers, from } = plainOptions(given, BIND_KEYS);
  return {
    routingKey: checkPattern('pattern', pattern),
    headers: headers == null ? null : checkHeaderConditions('headers', headers),
    from: from === undefined || from === 'latest' ? undefined : checkFrom(from),
  };
}

export interface CheckedBinding {
  readonly routingKey: string;
  readonly headers: HeaderConditions | null;
  readonly from: ReadFrom | undefined;
}

/** @throws TypeError, RangeError */
export function checkDestination(given: DestinationInput): DestinationName {
  if (typeof given === 'string') {
    return { kind: 'topic', name: checkName('destination', given) };
  }
  // Of a handle of a queue or a topic the keys say nothing: it is its name that is asked for.
  const [kind, ...others] = isPlainObject(given) ? Object.keys(given) : [];
  const known = DESTINATION_KINDS.find((each) => each === kind);
  if (known === undefined || others.length > 0) {
    const expected = 'a name, { queue }, { topic } or { exchange }';
    throw argumentError(TypeError, 'destination', expected, given);
  }
  const name: unknown = Object.values(given)[0];
  const place = `destination.${known}`;
  if (known === 'exchange') return { kind: known, name: checkExchangeName(place, name) };
  return { kind: 'topic', name: checkName(place, name) };
}
