/** What a verb tells of the records that it did not store, for they were stored before. */
import type { CommandContext } from './command.ts';
import { formatPlural } from './units.ts';

/** So many duplicates are told one by one. */
export const DUPLICATES_TOLD_MAX = 1000;

/** A record that was not stored, and where the one is that it equals. */
export interface Duplicate {
  /** Its number in the input, from 0. */
  readonly index: number;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/** Counts the duplicates of an input. */
export class DuplicateTally {
  count = 0;
  /** The first of them, in the order of the input. */
  readonly first: Duplicate[] = [];

  /** @param base  how many records the input had before the request that `found` was answered to */
  add(base: number, found: readonly Duplicate[]): void {
    this.count += found.length;
    const room = DUPLICATES_TOLD_MAX - this.first.length;
    for (const { index, topic, partition, offset } of found.slice(0, room)) {
      this.first.push({ index: base + index, topic, partition, offset });
    }
  }

  /** For people, where there are any. */
  noteTo(context: CommandContext): void {
    const [first] = this.first;
    if (first === undefined) return;
    const { topic, partition, offset } = first;
    const which = this.count === 1 ? 'it is' : 'the first is';
    const place = `at offset ${offset} of partition ${partition} of ${topic}`;
    context.note(`${formatPlural(this.count, 'duplicate')}, not stored again: ${which} ${place}`);
  }

  /** For programs. @param dedupId  that of the one record, where the command line has it */
  toJson(dedupId: string | undefined): object {
    const { count: duplicateCount, first: duplicates } = this;
    const answer = dedupId === undefined ? {} : { duplicate: duplicateCount > 0 };
    return { duplicateCount, ...answer, duplicates };
  }
}
