/** Record objects that are used again: they keep nothing of a call that has ended. */
import { expect, test } from 'vitest';

import { utf8 } from '../../../src/codec/codec.ts';
import { PreparedRecords } from '../../../src/log/prepared-records.ts';

const EMPTY = { key: null, value: null, headers: null };

function prepared() {
  return new PreparedRecords({ codec: utf8, limits: { recordBytesMax: 1000 } });
}

test('records that are taken back hold nothing of their caller', () => {
  const records = prepared();
  const key = Buffer.from('key');
  const first = records.prepare(
    [
      { value: 'a', key, headers: { h: '1' } },
      { value: null, key },
    ],
    1,
  );
  records.takeBack(first);
  expect(first).toMatchObject([EMPTY, EMPTY]);
  const second = records.prepare([{ value: 'b', key }], 1);
  expect(second[0]).toBe(first[0]);
  expect(second).toMatchObject([{ key }, EMPTY]);
});

test('a small call behind a large one touches only its own records', () => {
  const records = prepared();
  const large = records.prepare(
    Array.from({ length: 100 }, () => ({ value: 'x' })),
    1,
  );
  records.takeBack(large);
  const small = records.prepare([{ value: 'a' }, { value: null }], 1);
  const touched = new Set<object>();
  const counted = small.map(
    (record) =>
      new Proxy(record, {
        get: (target, name) => {
          touched.add(target);
          return Reflect.get(target, name);
        },
        set: (target, name, value) => {
          touched.add(target);
          return Reflect.set(target, name, value);
        },
      }),
  );
  records.takeBack(counted);
  expect(small.slice(0, 2)).toMatchObject([EMPTY, EMPTY]);
  expect(touched.size).toBe(3); // Its two, and the one behind them.
});
