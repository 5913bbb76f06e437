/** What is wanted of a log is what a naive model of its groups has, whatever happened to its records. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import {
  purgeUndone,
  recordsRemoved,
  recordsRevived,
  sharePurged,
  shareTrimmed,
} from '../../src/queue/share-entries.ts';
import { isWanted, wantedIn } from '../../src/queue/wanted-offsets.ts';
import { manyExamples } from '../support/property.ts';
import { ShareFold, type SharePlace } from '../support/share-fold.ts';

const LOG = 100;
const OFFSETS = 70;

const STANDINGS = ['unread', 'leased', 'back', 'dead', 'settled', 'purged'] as const;

type Standing = (typeof STANDINGS)[number];

/** What is leased is not cancelled, and what was purged is not there to be. */
const REMOVABLE: readonly Standing[] = ['unread', 'back', 'dead'];

/** What a group knows of each offset; null = it has not begun. */
class ModelGroup {
  readonly place: SharePlace;
  #standings: Standing[] | null = null;

  constructor(group: string) {
    this.place = { topicId: 1, group, partition: 0 };
  }

  get hasBegun(): boolean {
    return this.#standings !== null;
  }

  begin(start: number): void {
    this.#standings = Array.from({ length: OFFSETS }, (_, offset) =>
      offset < start ? 'settled' : 'unread',
    );
  }

  wants(offset: number): boolean {
    const standing = this.#standings?.[offset] ?? 'unread';
    return standing !== 'settled';
  }

  at(offset: number): Standing {
    return this.#standings?.[offset] ?? 'unread';
  }

  set(offset: number, standing: Standing): void {
    if (this.#standings !== null) this.#standings[offset] = standing;
  }

  /** From one standing to another, below an offset. */
  move(from: readonly Standing[], to: Standing, end = OFFSETS): void {
    for (let offset = 0; offset < end; offset++) {
      if (from.includes(this.at(offset))) this.set(offset, to);
    }
  }
}

const KINDS = [
  'begin',
  'acquire',
  'acquire',
  'acquire',
  'ack',
  'ack',
  'back',
  'die',
  'bury',
  'revive',
  'remove',
  'purge',
  'undo',
  'trim',
] as const;
const steps = fc.record({
  kind: fc.constantFrom(...KINDS),
  group: fc.nat(1),
  // Low ones more often: what a trim, a start or a purge passes is out of the game.
  offset: fc.oneof(fc.nat(OFFSETS / 7), fc.nat(OFFSETS - 1)),
  count: fc.integer({ min: 1, max: 30 }),
});
// Without a bias to the short and the small: a record dies after three steps that met the same offset.
const histories = fc.noBias(fc.array(steps, { maxLength: 100, size: 'max' }));

type Step = typeof steps extends fc.Arbitrary<infer S> ? S : never;

class Pair {
  readonly shares = new ShareFold();
  readonly groups = [new ModelGroup('one'), new ModelGroup('other')] as const;

  constructor(groupCount: number) {
    for (const { place } of this.groups.slice(0, groupCount)) this.shares.create(place, 'settled');
  }

  run({ kind, offset, count }: Step, group: ModelGroup): void {
    const { shares } = this;
    const { place } = group;
    const { topicId, group: name, partition } = place;
    if (kind === 'begin') {
      if (group.hasBegun) return;
      shares.start(place, LOG, offset);
      group.begin(offset);
      return;
    }
    if (!group.hasBegun) return;
    if (kind === 'purge') {
      const parts = [{ partition, endOffset: offset }];
      shares.say(sharePurged, { topicId, group: name, parts, timeMs: 8 });
      group.move(['purged'], 'settled');
      group.move(['unread', 'back'], 'purged', offset);
    } else if (kind === 'undo') {
      shares.say(purgeUndone, { topicId, group: name });
      group.move(['purged'], 'back');
    } else if (kind === 'trim') {
      shares.say(shareTrimmed, { ...place, startOffset: offset });
      group.move(['unread', 'back', 'dead', 'purged'], 'settled', offset);
    } else {
      const end = Math.min(OFFSETS, offset + count);
      for (let at = offset; at < end; at++) this.#one(kind, group, at);
    }
  }

  /** What happens to one record, if it may. */
  #one(kind: Step['kind'], group: ModelGroup, offset: number): void {
    const { shares } = this;
    const { place } = group;
    const before = group.at(offset);
    if (kind === 'acquire' && (before === 'unread' || before === 'back')) {
      shares.acquire(place, [offset, 1]);
      group.set(offset, 'leased');
    } else if (kind === 'ack' && before === 'leased') {
      shares.ack(place, [offset, 1]);
      group.set(offset, 'settled');
    } else if (kind === 'back' && before === 'leased') {
      shares.giveBack(place, offset, offset % 2 === 0 ? 0 : 1000);
      group.set(offset, 'back');
    } else if ((kind === 'die' || kind === 'bury') && before === 'leased') {
      shares.die(place, offset, kind === 'die');
      group.set(offset, kind === 'die' ? 'dead' : 'settled');
    } else if (kind === 'revive' && before === 'dead') {
      shares.say(recordsRevived, { ...place, offsets: [offset, 1] });
      group.set(offset, 'back');
    } else if (kind === 'remove' && REMOVABLE.includes(before)) {
      shares.say(recordsRemoved, { ...place, offsets: [offset, 1], cause: 'cancelled' });
      group.set(offset, 'settled');
    }
  }
}

/**
 * The standing by which alone an offset is wanted, where one group wants it; 'settled' where none
 * does, and none where a second group wants it too, behind which an error would hide.
 */
function decisive(groups: readonly ModelGroup[], offset: number): Standing | null {
  const wanting = groups.filter((group) => group.wants(offset));
  if (wanting.length > 1) return null;
  return wanting[0]?.at(offset) ?? 'settled';
}

test('for each offset of each range, with one group and with two', () => {
  const ranges = fc.noBias(fc.tuple(fc.nat(OFFSETS), fc.nat(OFFSETS)));
  const seen = new Map<Standing, number>();
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 2 }),
      histories,
      ranges,
      (groupCount, all, [one, other]) => {
        const pair = new Pair(groupCount);
        const groups = pair.groups.slice(0, groupCount);
        for (const step of all) {
          const group = groups[step.group % groupCount];
          if (group !== undefined) pair.run(step, group);
        }
        const [from, to] = [Math.min(one, other), Math.max(one, other)];
        const bits = wantedIn(pair.shares.fold, LOG, { from, to });
        for (let offset = from; offset < to; offset++) {
          const isExpected = groups.some((group) => group.wants(offset));
          expect(isWanted(bits, offset - from), `offset ${offset}`).toBe(isExpected);
          const standing = decisive(groups, offset);
          if (standing !== null) seen.set(standing, (seen.get(standing) ?? 0) + 1);
        }
      },
    ),
    manyExamples(1000),
  );
  for (const standing of STANDINGS) {
    expect(seen.get(standing) ?? 0, `${standing} decided`).toBeGreaterThan(50);
  }
});
