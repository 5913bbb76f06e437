/** What publishing takes and answers. */
import { argumentError, checkChoice, checkObject } from '../core/assert.ts';
import { checkBoolean, unknownKey } from '../core/options.ts';
import { checkAppendKeys } from '../log/append-result.ts';
import type { FurtherKeys } from '../format/further-keys.ts';
import type { DurabilityLevel } from '../log/log-options.ts';
import type { RecordInput } from '../log/record-input.ts';
import { checkRoutingKey } from '../format/routing-header.ts';
import { checkRoutingKeys } from './routing-key.ts';

/** When `publish` resolves: when the record is in the source log, or in all of its destinations too. */
export const CONFIRMATIONS = ['logged', 'routed'] as const;

export type Confirmation = (typeof CONFIRMATIONS)[number];

export interface PublishOptions {
  /** 0 to 255 bytes of UTF-8; default ''. */
  readonly routingKey?: string | undefined;
  /**
   * Further routing keys, up to 64: RabbitMQ's CC. The record goes wherever one of the keys leads, once
   * to each. Consumers see them in the header `varve-cc`. Default none.
   */
  readonly cc?: readonly string[] | undefined;
  /** The same, seen by no consumer: copies do not have them. RabbitMQ's BCC. */
  readonly bcc?: readonly string[] | undefined;
  /** Of the record, in the logs: chooses its partition there; default none. */
  readonly key?: RecordInput<never>['key'];
  /** As of `Topic.append`; a headers exchange routes by them. */
  readonly headers?: RecordInput<never>['headers'];
  /** As of `Topic.append`. */
  readonly createTimeMs?: number | undefined;
  /**
   * 1 to 255 bytes of UTF-8: while a record with this id counts in the source (`dedupWindowMs`), another is
   * not published. Consumers find it in the header `varve-dedup-id`. Default none.
   */
  readonly dedupId?: string | undefined;
  /** Refuses what no binding matches, with UnroutableError; default false: it is logged, and goes nowhere. */
  readonly mandatory?: boolean | undefined;
  /**
   * `logged` (default): when the record has reached `durability` in the source log. `routed`: when it is
   * synced in all of its destinations as well. What rejects while it waits for those (ClosedError, the
   * signal's reason) is published, and gets there when the store is open.
   */
  readonly confirm?: Confirmation | undefined;
  /** Of the source log; default that of the exchange. */
  readonly durability?: DurabilityLevel | undefined;
  /** Stops waiting with the signal's reason; a record that was already taken stays published. */
  readonly signal?: AbortSignal | undefined;
}

/** Of a publish that is part of a transaction: that says when it is there, and at which level. */
export interface TransactionPublishOptions extends Omit<
  PublishOptions,
  'confirm' | 'durability' | 'signal'
> {}

export interface PublishBatchOptions extends Pick<
  PublishOptions,
  'mandatory' | 'confirm' | 'durability' | 'signal'
> {}

/** One record of `publishBatch`. */
export interface PublishInput<Input> extends Pick<
  PublishOptions,
  'routingKey' | 'cc' | 'bcc' | 'key' | 'headers' | 'createTimeMs' | 'dedupId'
> {
  /** null = a tombstone for the key. */
  readonly value: Input | null;
}

export interface PublishResult {
  /** In the source log of the exchange. */
  readonly offset: number;
  /** The level that was reached there. */
  readonly durability: DurabilityLevel;
  /**
   * Names of the queues and topics that get the record, each once; others get this array, too. None for a
   * duplicate: the record before it went where it went.
   */
  readonly destinations: readonly string[];
  /** Whether an equal record was published before: nothing was, and `offset` is that one's. */
  readonly duplicate: boolean;
}

/** A record of `publishBatch` that was published before, or stands twice in the call. */
export interface DuplicatePublish {
  /** Its number in the call, from 0. */
  readonly index: number;
  /** Of the one that is stored, in the source log. */
  readonly offset: number;
}

export interface PublishBatchResult {
  /** Of the first record that was appended to the source log; the others follow without a gap. */
  readonly baseOffset: number;
  /** Those that were appended: duplicates are not among them. */
  readonly recordCount: number;
  readonly durability: DurabilityLevel;
  /** By record: as of `PublishResult`. */
  readonly destinations: readonly (readonly string[])[];
  /** Ascending by index. */
  readonly duplicates: readonly DuplicatePublish[];
}

const BATCH_KEYS: ReadonlySet<string> = new Set<keyof PublishBatchOptions>([
  'mandatory',
  'confirm',
  'durability',
  'signal',
]);
/** What is said of the record itself, however it is published. */
const OF_RECORD = ['routingKey', 'cc', 'bcc', 'key', 'headers', 'createTimeMs', 'dedupId'] as const;
const KEYS: ReadonlySet<string> = new Set<keyof PublishOptions>([
  'mandatory',
  'confirm',
  'durability',
  'signal',
  ...OF_RECORD,
]);
const TRANSACTION_KEYS: ReadonlySet<string> = new Set<keyof TransactionPublishOptions>([
  'mandatory',
  ...OF_RECORD,
]);

const INPUT_KEYS: ReadonlySet<string> = new Set<keyof PublishInput<never>>(['value', ...OF_RECORD]);

/** One for all calls without options. */
export const NO_PUBLISH_OPTIONS: PublishOptions = Object.freeze({});

/** How a call wants its records published, checked; the log checks the rest. */
export interface PublishPlan {
  readonly isMandatory: boolean;
  readonly waitsForRoutes: boolean;
}

const DEFAULT_PLAN: PublishPlan = { isMandatory: false, waitsForRoutes: false };

/** @throws TypeError, RangeError */
export function planPublish(options: PublishOptions): PublishPlan {
  if (options === NO_PUBLISH_OPTIONS) return DEFAULT_PLAN;
  checkAppendKeys(options, KEYS);
  return planOf(options);
}

/** @throws TypeError */
export function planTransactionPublish(options: TransactionPublishOptions): PublishPlan {
  if (options === NO_PUBLISH_OPTIONS) return DEFAULT_PLAN;
  checkAppendKeys(options, TRANSACTION_KEYS);
  const { mandatory } = options;
  return planOf({ mandatory });
}

/** @throws TypeError, RangeError */
export function planPublishBatch(options: PublishBatchOptions): PublishPlan {
  if (options === NO_PUBLISH_OPTIONS) return DEFAULT_PLAN;
  checkAppendKeys(options, BATCH_KEYS);
  return planOf(options);
}

/**
 * One that has its routing key is not looked through: what is misspelt matters most where nothing leads
 * then.
 *
 * @throws TypeError
 */
export function checkPublishInput<Input>(name: string, input: PublishInput<Input>): void {
  if (checkObject(name, input).routingKey !== undefined) return;
  for (const key of Object.keys(input)) {
    if (INPUT_KEYS.has(key)) continue;
    throw argumentError(TypeError, name, unknownKey(key, INPUT_KEYS), input);
  }
}

/** @throws as `checkRoutingKey` */
export function routingKeyOf({ routingKey }: Pick<PublishOptions, 'routingKey'>): string {
  return routingKey === undefined ? '' : checkRoutingKey('routingKey', routingKey);
}

/** Those beside the first; null = none. @throws as `checkRoutingKeys` */
export function furtherKeysOf({ cc, bcc }: Pick<PublishOptions, 'cc' | 'bcc'>): FurtherKeys | null {
  if (cc === undefined && bcc === undefined) return null;
  return {
    cc: cc === undefined ? [] : checkRoutingKeys('cc', cc),
    bcc: bcc === undefined ? [] : checkRoutingKeys('bcc', bcc),
  };
}

function planOf({ mandatory = false, confirm = 'logged' }: PublishBatchOptions): PublishPlan {
  if (confirm === 'logged' && !mandatory) return DEFAULT_PLAN;
  return {
    isMandatory: checkBoolean('mandatory', mandatory),
    waitsForRoutes: checkChoice('confirm', confirm, CONFIRMATIONS) === 'routed',
  };
}
