/**
 * Names of the headers that Varve sets itself. In a header block they stand as numbers, which saves most
 * of their bytes in every record that was published, and in each of its copies.
 */

/** All of them begin like this. */
export const HEADER_PREFIX = 'varve-';

/** The key under which a record was published: the first header of its block. */
export const ROUTING_KEY_HEADER = 'varve-routing-key';
/** Further keys, and such as copies do not tell of. */
export const CC_HEADER = 'varve-cc';
export const BCC_HEADER = 'varve-bcc';
/** The `dedupId` of a record: by which it is known again. */
export const DEDUP_ID_HEADER = 'varve-dedup-id';
/** Where a record that was redriven was before: `topic/partition/offset`. */
export const CAUSE_HEADER = 'varve-cause';
/** Where a record has died so far; stays when a dead letter is driven back. */
export const HISTORY_HEADER = 'varve-deaths';

/** The last death of a dead letter. */
export const DEATH_HEADERS = {
  reason: 'varve-death-reason',
  topic: 'varve-death-topic',
  group: 'varve-death-group',
  partition: 'varve-death-partition',
  offset: 'varve-death-offset',
  /** What it came under to where it died; left out when it came under none. */
  routingKey: 'varve-death-routing-key',
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

/** Each at its number, which stands for it for ever: new ones go behind the last. */
const NUMBERED: readonly string[] = [
  ROUTING_KEY_HEADER,
  CC_HEADER,
  BCC_HEADER,
  DEDUP_ID_HEADER,
  CAUSE_HEADER,
  HISTORY_HEADER,
  DEATH_HEADERS.reason,
  DEATH_HEADERS.topic,
  DEATH_HEADERS.group,
  DEATH_HEADERS.partition,
  DEATH_HEADERS.offset,
  DEATH_HEADERS.routingKey,
  DEATH_HEADERS.attempts,
  DEATH_HEADERS.failures,
  DEATH_HEADERS.expiries,
  DEATH_HEADERS.crashes,
  DEATH_HEADERS.firstError,
  DEATH_HEADERS.firstErrorMs,
  DEATH_HEADERS.lastError,
  DEATH_HEADERS.lastErrorMs,
  DEATH_HEADERS.timeMs,
];
const NUMBERS: ReadonlyMap<string, number> = new Map(
  NUMBERED.map((name, number) => [name, number]),
);
/** Set in the field of a name's length when the field has the name's number instead. */
const IS_NUMBER = 0x8000;

/** What stands for a name in the field of its length; -1 = the name itself is written. */
export function numberedName(name: string): number {
  const number = NUMBERS.get(name);
  return number === undefined ? -1 : IS_NUMBER | number;
}

/** The name that a field stands for; null = the field is a length, or a number that stands for none. */
export function nameOfNumber(field: number): string | null {
  return isNumberedName(field) ? (NUMBERED[field & ~IS_NUMBER] ?? null) : null;
}

/** Whether no name follows the field. */
export function isNumberedName(field: number): boolean {
  return (field & IS_NUMBER) !== 0;
}
