/** What the commits of a group bring to each log, and which offsets they get there. */
import type { Appender } from '../log/appender.ts';
import type { PreparedAppend } from '../log/prepared-records.ts';
import { recordCountOf, type RecordRun } from '../log/record-run.ts';

/** A log of a group, and what it gets. */
interface Part {
  readonly logId: number;
  /** Of its first record. */
  readonly baseOffset: number;
  readonly runs: RecordRun[];
  recordCount: number;
}

export type Parts = ReadonlyMap<Appender, Part>;

/** One commit of a group. */
interface Grouped {
  readonly appends: readonly PreparedAppend[];
  /** Of the first record of each of `appends`, as the last group that it was in has given them. */
  baseOffsets: readonly number[];
}

/**
 * Puts together what each log gets, and so numbers it: behind all that is encoded there by now. To be
 * held in the same step.
 */
export function partsOf(group: readonly Grouped[]): Parts {
  const parts = new Map<Appender, Part>();
  for (const commit of group) {
    commit.baseOffsets = commit.appends.map((append) => addTo(parts, append));
  }
  return parts;
}

/** @returns offset of the first of the records */
function addTo(parts: Map<Appender, Part>, { appender, logId, runs }: PreparedAppend): number {
  let part = parts.get(appender);
  if (part === undefined) {
    part = { logId, baseOffset: appender.nextOffset, runs: [], recordCount: 0 };
    parts.set(appender, part);
  }
  const offset = part.baseOffset + part.recordCount;
  for (const run of runs) part.runs.push(run);
  part.recordCount += recordCountOf(runs);
  return offset;
}
