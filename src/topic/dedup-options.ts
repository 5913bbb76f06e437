/** What of a topic is a duplicate, and for how long: its options, checked. */
import { argumentError, checkChoice, checkInteger } from '../core/assert.ts';
import { ConflictError } from '../core/errors.ts';
import { DEDUP_WINDOW_MS, DEDUP_WINDOW_MS_MAX } from '../core/limits.ts';

/** Names may only be added at the end: the journal has their places. */
export const DEDUP_BY = ['id', 'content'] as const;
export const DEDUP_SCOPES = ['topic', 'key'] as const;

/** In the place of a time: until the record itself is settled. */
export const UNTIL_SETTLED = 'settled';

export type DedupWindow = number | typeof UNTIL_SETTLED;
export type DedupBy = (typeof DEDUP_BY)[number];
export type DedupScope = (typeof DEDUP_SCOPES)[number];

/**
 * Which records of a topic are stored once. Those that have a `dedupId`, and with `dedupBy: 'content'` all
 * that are appended; what the store copies itself never is a duplicate. Records of which one can still
 * keep another out are kept from retention, but not from `deleteBefore`.
 */
export interface DedupConfig {
  /**
   * How long a stored record keeps others from being stored that equal it, ms, 1..31_536_000_000, from its
   * append on; default 5 minutes. `settled`, of queues alone: until it is settled.
   */
  readonly dedupWindowMs?: DedupWindow | undefined;
  /**
   * Which records equal each other. `id`, the default: those with the same `dedupId`; without one a record
   * equals no other. `content`: also those without, by their values; headers do not count.
   */
  readonly dedupBy?: DedupBy | undefined;
  /** Among which records; default `topic`. `key`: those with the same key alone. */
  readonly dedupScope?: DedupScope | undefined;
}

/** `DedupConfig` with every default filled in. */
export interface DedupSettings {
  readonly dedupWindowMs: DedupWindow;
  readonly dedupBy: DedupBy;
  readonly dedupScope: DedupScope;
}

export const DEDUP_OPTION_NAMES = [
  'dedupWindowMs',
  'dedupBy',
  'dedupScope',
] as const satisfies readonly (keyof DedupSettings)[];

/** Of topics from before there were any. */
export const DEDUP_DEFAULTS: DedupSettings = {
  dedupWindowMs: DEDUP_WINDOW_MS,
  dedupBy: 'id',
  dedupScope: 'topic',
};

/** @throws TypeError, RangeError */
export function newDedupSettings(given: DedupConfig): DedupSettings {
  const {
    dedupWindowMs = DEDUP_DEFAULTS.dedupWindowMs,
    dedupBy = DEDUP_DEFAULTS.dedupBy,
    dedupScope = DEDUP_DEFAULTS.dedupScope,
  } = given;
  return {
    dedupWindowMs: checkWindow(dedupWindowMs),
    dedupBy: checkChoice('dedupBy', dedupBy, DEDUP_BY),
    dedupScope: checkChoice('dedupScope', dedupScope, DEDUP_SCOPES),
  };
}

/** For a topic that is no queue. @throws RangeError when its records are never settled */
export function checkNotUntilSettled({ dedupWindowMs }: DedupConfig): void {
  if (dedupWindowMs !== UNTIL_SETTLED) return;
  const expected = 'a number of ms: records are settled in queues alone';
  throw argumentError(RangeError, 'dedupWindowMs', expected, dedupWindowMs);
}

/**
 * Rather than to store a record that only seems to be compared with the others.
 *
 * @param topic      what compares all of its records, or does not
 * @param requested  what does not compare
 * @throws ConflictError
 */
export function checkNotByContent(
  { name, dedupsContent }: { readonly name: string; readonly dedupsContent: boolean },
  requested: string,
): void {
  if (!dedupsContent) return;
  throw new ConflictError({ kind: 'topic', name, stored: "dedupBy 'content'", requested });
}

function checkWindow(window: DedupWindow): DedupWindow {
  if (window === UNTIL_SETTLED) return window;
  if (typeof window === 'string') {
    throw argumentError(TypeError, 'dedupWindowMs', `a number of ms, or ${UNTIL_SETTLED}`, window);
  }
  return checkInteger('dedupWindowMs', window, { min: 1, max: DEDUP_WINDOW_MS_MAX });
}
