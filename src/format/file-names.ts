/** Names of the files in a log directory, and of a store. What matches none is never touched. */

export const LOCK_FILE = 'LOCK';
/** The lock `sqlite`, empty; never deleted, as LOCK. */
export const SQLITE_LOCK_FILE = 'LOCK.sqlite';
export const CHECKPOINT_FILE = 'checkpoint';
export const RESERVE_FILE = 'reserve';
export const QUARANTINE_DIRECTORY = 'quarantine';
/** What makes a directory a store, and the directories of its logs: `topics/<topic>/<partition>`. */
export const STORE_FILE = 'store.json';
export const JOURNAL_DIRECTORY = 'journal';
export const TOPICS_DIRECTORY = 'topics';
/** Ends the name of a file that is not finished; safe to remove at open. */
export const TEMPORARY_SUFFIX = '.tmp';

const CLAIM_PREFIX = `${LOCK_FILE}.claim.`;
const SEGMENT_SUFFIX = '.log';
const OFFSET_DIGITS = 20;
const SEGMENT_NAME = /^(\d{20})\.log$/;

/** `00000000000000000042.log`: the base offset in 20 digits, as Kafka names its segments. */
export function segmentFileName(baseOffset: number): string {
  return String(baseOffset).padStart(OFFSET_DIGITS, '0') + SEGMENT_SUFFIX;
}

/** The base offset in a segment's file name; null when the name is not a segment's. */
export function parseSegmentFileName(name: string): number | null {
  const digits = SEGMENT_NAME.exec(name)?.[1];
  if (digits === undefined) return null;
  const baseOffset = Number(digits);
  return Number.isSafeInteger(baseOffset) ? baseOffset : null;
}

/** Whether a name is there while a writer is about to lock the directory, and no longer. */
export function isClaimFileName(name: string): boolean {
  return name.startsWith(CLAIM_PREFIX);
}
