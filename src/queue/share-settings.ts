/** What is kept of a share group: how long leases last, when it gives a record up, where that goes. */
import { checkInteger, checkChoice, argumentError } from '../core/assert.ts';
import { ConflictError } from '../core/errors.ts';
import { plainOptions } from '../core/options.ts';
import { checkRoutingKey } from '../format/routing-header.ts';
import { BadEntryError } from '../journal/entry-bytes.ts';
import {
  choice,
  nullable,
  struct,
  uint,
  type Field,
  type ValueOf,
} from '../journal/entry-fields.ts';
import { checkName } from '../topic/topic-names.ts';
import { checkStart, type StartFrom } from '../topic/start-position.ts';

/** Longest that a record may be leased, renewals included, ms: SQS's limit. */
export const LEASE_TOTAL_MS_MAX = 12 * 60 * 60 * 1000;
/** Shortest lease, ms: below it the timer's own grain would decide. */
export const LEASE_MS_MIN = 10;
const FAILURES_MAX = 1000;
const EXPIRIES_MAX = 250;
/** Records of a group that may be leased at a time. */
export const LEASED_MAX = 1_000_000;

/** What happens to records that are settled. */
export const RETENTIONS = ['keep', 'settled'] as const;

/** Bits of the first byte of where dead records go: which of the two follow. */
const HAS_NAME = 1;
const HAS_ROUTING_KEY = 2;

/** Without a routing key it has the bytes of a nullable text, as stores have it from before there were any. */
const deadLetterWay: Field<{ readonly name: string | null; readonly routingKey: string | null }> = {
  write(to, { name, routingKey }) {
    to.u8((name === null ? 0 : HAS_NAME) + (routingKey === null ? 0 : HAS_ROUTING_KEY));
    if (name !== null) to.text(name);
    if (routingKey !== null) to.text(routingKey);
  },
  read(from) {
    const has = from.u8();
    if (has > HAS_NAME + HAS_ROUTING_KEY) throw new BadEntryError('no way of dead records');
    const name = (has & HAS_NAME) === 0 ? null : from.text();
    return { name, routingKey: (has & HAS_ROUTING_KEY) === 0 ? null : from.text() };
  },
};

const storedSettings = struct({
  leaseMs: uint,
  /** Null = it is never given up for failures. */
  failuresMax: nullable(uint),
  expiriesMax: nullable(uint),
  leasedMax: uint,
  deadLetter: deadLetterWay,
  retention: choice(RETENTIONS),
});

type StoredSettings = ValueOf<typeof storedSettings>;

export interface ShareSettings extends Readonly<Omit<StoredSettings, 'deadLetter'>> {
  /** Name of a topic; null = dead records stay where they are. */
  readonly deadLetter: string | null;
  /** Of copies that go to an exchange; null = the record's own, or the name of the topic it died in. */
  readonly deadLetterRoutingKey: string | null;
}

export const shareSettings: Field<ShareSettings> = {
  write(to, { deadLetter: name, deadLetterRoutingKey: routingKey, ...others }) {
    storedSettings.write(to, { ...others, deadLetter: { name, routingKey } });
  },
  read(from) {
    const { deadLetter, ...others } = storedSettings.read(from);
    const { name, routingKey } = deadLetter;
    return { ...others, deadLetter: name, deadLetterRoutingKey: routingKey };
  },
};

/**
 * How a share group hands records out; the journal keeps all of it. Values that are left out when it
 * is opened are not compared with what is stored; `alterShareGroup` changes them, also while records
 * are leased.
 */
export interface ShareConfig {
  /** How long a lease lasts unless `acquire` says otherwise, ms, 10..43_200_000; default 30 s. */
  readonly leaseMs?: number | undefined;
  /**
   * Failed attempts after which a record is dead, 1..1000; default 5; null = it is tried for ever. What
   * counts: a handler that threw, a release with `failed`, a crash with the record as the only suspect.
   */
  readonly failuresMax?: number | null | undefined;
  /** Leases that ran out after which a record is dead, 1..250; default 20; null = never. */
  readonly expiriesMax?: number | null | undefined;
  /** Records of the group that are leased at a time, 1..1_000_000; default 2000, as Kafka's. */
  readonly leasedMax?: number | undefined;
  /**
   * Name of the queue that gets a copy of each dead record, in one commit with its end here; made
   * when it is not there. Default null: dead records are kept where they are (`redrive` revives them).
   *
   * `exchange:<name>` publishes them to that exchange instead. It is not made: while it is not there,
   * nothing is buried, `Store.health` says so, and it is tried again.
   */
  readonly deadLetter?: string | null | undefined;
  /**
   * What dead records are published under where `deadLetter` is an exchange, 0..255 bytes of UTF-8.
   * Default null: the routing key that the record itself came under, or else the name of the topic that it
   * died in.
   */
  readonly deadLetterRoutingKey?: string | null | undefined;
  /**
   * `settled`: segments of which every record is settled are deleted, also those that a consumer group
   * has not read; the default of a queue; not on a compacted topic. `keep`: what is settled stays
   * readable; the default of a share group of a topic, and of a queue that is made of a topic that had
   * records before, or is compacted.
   */
  readonly retention?: 'keep' | 'settled' | undefined;
}

/** What one handle alone needs. */
export interface ShareGroupOptions extends ShareConfig {
  /** Where a new group begins; default `earliest`. */
  readonly from?: StartFrom | undefined;
  /** Records that this consumer has leased at a time, 1..1_000_000; default null = no bound of its own. */
  readonly prefetch?: number | null | undefined;
  /** Creates the group when there is none; default true. */
  readonly create?: boolean | undefined;
}

const CONFIG_NAMES = [
  'leaseMs',
  'failuresMax',
  'expiriesMax',
  'leasedMax',
  'deadLetter',
  'deadLetterRoutingKey',
  'retention',
] as const satisfies readonly (keyof ShareSettings)[];

/** Names of the settings, for who passes them on. */
export const SHARE_CONFIG_NAMES: readonly string[] = CONFIG_NAMES;

const CONFIG_KEYS: ReadonlySet<string> = new Set(CONFIG_NAMES);
/** Of a handle. */
export const SHARE_OPTION_NAMES: readonly string[] = [
  ...CONFIG_NAMES,
  'from',
  'prefetch',
  'create',
];
const HANDLE_KEYS: ReadonlySet<string> = new Set(SHARE_OPTION_NAMES);

const DEFAULTS: ShareSettings = {
  leaseMs: 30_000,
  failuresMax: 5,
  expiriesMax: 20,
  leasedMax: 2000,
  deadLetter: null,
  deadLetterRoutingKey: null,
  retention: 'keep',
};

/** The options of a handle, checked; what is left out stays undefined. @throws TypeError, RangeError */
export function checkShareOptions(given: ShareGroupOptions): ShareGroupOptions {
  const options = plainOptions(given, HANDLE_KEYS);
  const { from, prefetch, create } = options;
  checkValues(options);
  if (from !== undefined) checkStart('from', from);
  if (prefetch !== undefined && prefetch !== null) checkBound('prefetch', prefetch, LEASED_MAX);
  if (create !== undefined && typeof create !== 'boolean') {
    throw argumentError(TypeError, 'create', 'a boolean', create);
  }
  return options;
}

/** Every setting of a new group. */
export function newShareSettings(given: ShareConfig, defaults: ShareConfig): ShareSettings {
  return { ...DEFAULTS, ...known(defaults), ...known(given) };
}

/** What changes, and nothing else. @throws TypeError, RangeError */
export function alteredShareSettings(before: ShareSettings, given: ShareConfig): ShareSettings {
  const changes = plainOptions(given, CONFIG_KEYS);
  checkValues(changes);
  return { ...before, ...known(changes) };
}

/** The first setting that was given and is not what is stored; null when there is none. */
export function shareConflict(
  label: { readonly kind: string; readonly name: string },
  stored: ShareSettings,
  given: ShareConfig,
): ConflictError | null {
  for (const key of CONFIG_NAMES) {
    const wanted = given[key];
    if (wanted === undefined || wanted === stored[key]) continue;
    return new ConflictError({
      ...label,
      stored: `${key} ${String(stored[key])}`,
      requested: `${key} ${String(wanted)}`,
    });
  }
  return null;
}

/** Throws unless a lease may last so long. */
export function checkLeaseMs(leaseMs: unknown): number {
  return checkInteger('leaseMs', leaseMs, { min: LEASE_MS_MIN, max: LEASE_TOTAL_MS_MAX });
}

function checkValues(given: ShareConfig): void {
  const { leaseMs, failuresMax, expiriesMax, leasedMax, retention } = given;
  const { deadLetter, deadLetterRoutingKey } = given;
  if (leaseMs !== undefined) checkLeaseMs(leaseMs);
  if (failuresMax != null) checkBound('failuresMax', failuresMax, FAILURES_MAX);
  if (expiriesMax != null) checkBound('expiriesMax', expiriesMax, EXPIRIES_MAX);
  if (leasedMax !== undefined) checkBound('leasedMax', leasedMax, LEASED_MAX);
  if (deadLetter != null) checkName('deadLetter', deadLetter);
  if (deadLetterRoutingKey != null) checkRoutingKey('deadLetterRoutingKey', deadLetterRoutingKey);
  if (retention !== undefined) checkChoice('retention', retention, RETENTIONS);
}

function checkBound(name: string, value: unknown, max: number): void {
  checkInteger(name, value, { min: 1, max });
}

function known(given: ShareConfig): Partial<ShareSettings> {
  const pairs = CONFIG_NAMES.filter((name) => given[name] !== undefined);
  return Object.fromEntries(pairs.map((name) => [name, given[name]]));
}
