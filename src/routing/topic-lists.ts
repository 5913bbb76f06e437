/**
 * Lists of topic ids, each once: where few lists come again and again, whoever meets one knows it by its
 * identity, and no other is made.
 *
 * @hot Each hash has one place, and whoever comes takes it.
 */
const PLACES = 1024;
const FNV_PRIME = 0x0100_0193;
const HASH_START = 0x811c_9dc5;

export class TopicLists {
  readonly #lists: (readonly number[] | undefined)[] = Array.from({ length: PLACES });

  /** @returns the list, or one like it that came before */
  of(topicIds: readonly number[]): readonly number[] {
    let hash = HASH_START;
    for (const topicId of topicIds) hash = Math.imul(hash ^ topicId, FNV_PRIME);
    const place = (hash ^ (hash >>> 16)) & (PLACES - 1);
    const known = this.#lists[place];
    if (known !== undefined && isSame(known, topicIds)) return known;
    this.#lists[place] = topicIds;
    return topicIds;
  }
}

function isSame(one: readonly number[], other: readonly number[]): boolean {
  if (one.length !== other.length) return false;
  for (let at = 0; at < one.length; at++) if (one[at] !== other[at]) return false;
  return true;
}
