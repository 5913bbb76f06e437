/** Assignments: balanced, sticky, and the same for the same input. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { assign } from '../../../src/group/assignment.ts';

const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];

const inputs = fc
  .record({
    partitionCount: fc.integer({ min: 0, max: 40 }),
    memberCount: fc.integer({ min: 0, max: 8 }),
  })
  .chain(({ partitionCount, memberCount }) =>
    fc.record({
      partitionCount: fc.constant(partitionCount),
      members: fc.constant(names.slice(0, memberCount)),
      // Also members that went, and fewer partitions than there are now.
      owners: fc.array(fc.option(fc.constantFrom(...names)), { maxLength: partitionCount }),
      isSingle: fc.constant(false),
    }),
  );

const countOf = (owners: readonly (string | null)[], member: string): number =>
  owners.filter((owner) => owner === member).length;

describe('assign', () => {
  test('gives every partition to a member, and as many to each, give or take one', () => {
    fc.assert(
      fc.property(inputs, (input) => {
        const target = assign(input);
        expect(target).toHaveLength(input.partitionCount);
        const { members } = input;
        if (members.length === 0) {
          expect(target.every((owner) => owner === null)).toBe(true);
          return;
        }
        expect(target.every((owner) => owner !== null && members.includes(owner))).toBe(true);
        const counts = members.map((member) => countOf(target, member));
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
      }),
    );
  });

  test('moves no partition of a member that is not above its share', () => {
    fc.assert(
      fc.property(inputs, (input) => {
        const { members, owners, partitionCount } = input;
        if (members.length === 0) return;
        const target = assign(input);
        const most = Math.ceil(partitionCount / members.length);
        for (const member of members) {
          const held = countOf(owners, member);
          const kept = owners.filter((owner, at) => owner === member && target[at] === member);
          expect(kept.length).toBeGreaterThanOrEqual(Math.min(held, countOf(target, member)));
          if (held > most) expect(kept).toHaveLength(countOf(target, member));
        }
      }),
    );
  });

  test('is stable: what it gave is what it gives again', () => {
    fc.assert(
      fc.property(inputs, (input) => {
        const owners = assign(input);
        expect(assign({ ...input, owners })).toEqual(owners);
      }),
    );
  });

  test('the third of three members takes from the other two', () => {
    const owners = ['a', 'a', 'a', 'b', 'b', 'b'];
    const input = { partitionCount: 6, owners, members: ['a', 'b', 'c'], isSingle: false };
    expect(assign(input)).toEqual(['a', 'a', 'c', 'b', 'b', 'c']);
  });

  test('a single active member keeps everything until it goes', () => {
    const input = { partitionCount: 3, owners: [null, null, null], isSingle: true };
    expect(assign({ ...input, members: ['a', 'b'] })).toEqual(['a', 'a', 'a']);
    expect(assign({ ...input, owners: ['b', 'b', 'b'], members: ['a', 'b'] })).toEqual([
      'b',
      'b',
      'b',
    ]);
    expect(assign({ ...input, owners: ['b', 'b', 'b'], members: ['a'] })).toEqual(['a', 'a', 'a']);
  });
});
