import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import {
  checkName,
  topicDirectoryName,
  topicIdOf,
  topicNameOf,
} from '../../../src/topic/topic-names.ts';
import { thrownBy } from '../../support/log-fixture.ts';

const names = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 60 })
  .filter((name) => Buffer.byteLength(name) <= 255 && /^\P{Cc}+$/u.test(name));
const ids = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });

describe('checkName', () => {
  test.each(['orders', 'a', 'Ünïcode — 名前', '..', '.', 'a/b', 'con', 'x'.repeat(255), 'a b'])(
    'takes %j',
    (name) => {
      expect(checkName('name', name)).toBe(name);
    },
  );

  test.each([
    [''],
    ['x'.repeat(256)],
    ['é'.repeat(128)],
    ['line\nbreak'],
    ['nul\0'],
    ['\u007f'],
    ['lone \ud800'],
    [7],
    [null],
    [undefined],
  ])('refuses %j', (name) => {
    expect(thrownBy(() => checkName('name', name))).toMatchObject({
      code: 'ERR_VARVE_INVALID_ARGUMENT',
    });
  });
});

describe('topicDirectoryName', () => {
  test('reads well where it can', () => {
    expect(topicDirectoryName('orders-eu_1', 0xabc)).toBe('orders-eu_1-00000000000abc');
    expect(topicDirectoryName('ad.events', 1)).toBe('ad%2Eevents-00000000000001');
  });

  test('never leaves its directory, is never too long, and gives the id back', () => {
    fc.assert(
      fc.property(names, ids, (name, id) => {
        const directory = topicDirectoryName(name, id);
        expect(directory).toMatch(/^[A-Za-z0-9_%-]+$/u);
        expect(directory.length).toBeLessThanOrEqual(255);
        expect(topicIdOf(directory)).toBe(id);
      }),
    );
  });

  test('is never the same for two topics, whatever their names', () => {
    fc.assert(
      fc.property(names, names, ids, ids, (one, two, idOne, idTwo) => {
        fc.pre(idOne !== idTwo);
        const [a, b] = [topicDirectoryName(one, idOne), topicDirectoryName(two, idTwo)];
        expect(a.toLowerCase()).not.toBe(b.toLowerCase());
      }),
    );
  });
});

test.each(['lost+found', 'orders', 'orders-12', '-00000000000000', 'x-ffffffffffffff'])(
  'topicIdOf: %j is none of ours',
  (name) => {
    expect(topicIdOf(name)).toBeNull();
  },
);

describe('topicNameOf', () => {
  test('is the name, or null where the directory does not hold all of it', () => {
    fc.assert(
      fc.property(names, ids, (name, id) => {
        const found = topicNameOf(topicDirectoryName(name, id));
        if (found !== null) expect(found).toBe(name);
        else expect(Buffer.byteLength(name) * 3).toBeGreaterThan(190);
      }),
    );
    expect(topicNameOf(topicDirectoryName('x'.repeat(255), 7))).toBeNull();
    expect(topicNameOf('of-somebody-else')).toBeNull();
    expect(topicNameOf('%zz-00000000000007')).toBeNull();
  });
});
