/** Ids by which records are known again, as verbs take them that send records. */
import { InvalidArgumentError, Option } from 'commander';
import type { TopicRecordInput } from '../src/index.ts';
import { checkDedupId, headersWithId } from '../src/topic/dedup-call.ts';
import { DUPLICATES_TOLD_MAX } from './duplicate-tally.ts';
import { formatCount } from './units.ts';

export const DEDUP_ID_EXPECTED = 'text of 1 to 255 bytes';

/** For help texts. */
export const DEDUP_NOTES = `--dedup-id, or "dedupId" in a line, names a record: while one of this id is in the window of its topic,
another is not stored. Such duplicates are no failure, and counted apart: --json has duplicateCount,
and of the first ${formatCount(DUPLICATES_TOLD_MAX)} the place of the one that is stored; with --dedup-id, also duplicate: true or false.`;

export const DEDUP_ID_OPTION = new Option(
  '--dedup-id <id>',
  'of the one record that is given: it is stored once, however often it is sent',
)
  .conflicts('ndjson')
  .argParser(parseDedupId);

function parseDedupId(given: string): string {
  if (isDedupId(given)) return given;
  throw new InvalidArgumentError(`Expected ${DEDUP_ID_EXPECTED}.`);
}

export function isDedupId(found: unknown): found is string {
  try {
    checkDedupId(found);
    return true;
  } catch {
    return false;
  }
}

/** With the header that it is stored with, for who checks its size. */
export function withIdHeader(record: TopicRecordInput<Uint8Array>): TopicRecordInput<Uint8Array> {
  if (record.dedupId === undefined) return record;
  return { ...record, headers: headersWithId(record, { dedupBy: 'id' }) };
}
