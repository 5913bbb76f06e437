/** Which of a producer's batches are remembered, and for how long. */
import { describe, expect, test } from 'vitest';

import { ProducerPlaces } from '../../../src/topic/producer-places.ts';
import type { ProducedRun } from '../../../src/topic/producer-state.ts';

/** Numbers from `first` on, at an offset that no other batch goes on from. */
function run(first: number, partition: number, count = 1): ProducedRun {
  return { first, last: first + count - 1, count, partition, baseOffset: 10 * first };
}

const known = (places: ProducerPlaces, numbers: readonly number[]) =>
  numbers.filter((number) => places.of(number) !== null);

const upTo = (end: number) => Array.from({ length: end }, (_, at) => at);

describe('the last five batches', () => {
  test('are those of each partition, whichever comes first', () => {
    const numbers = upTo(14);
    const live = new ProducerPlaces();
    for (const number of numbers) live.add(number % 2, [run(number, number % 2)]);
    const found = new ProducerPlaces();
    for (const partition of [1, 0]) {
      for (const number of numbers.filter((each) => each % 2 === partition)) {
        found.add(partition, [run(number, partition)]);
      }
    }
    for (const places of [live, found]) {
      expect(known(places, numbers)).toEqual([4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
      expect(places.of(7)).toEqual({ partition: 1, offset: 70 });
    }
  });

  test('are one where the next goes on behind the last', () => {
    const places = new ProducerPlaces();
    for (let number = 0; number < 20; number++) {
      places.add(0, [{ ...run(number, 0), baseOffset: 100 + number }]);
    }
    expect(places.runs).toEqual([{ first: 0, last: 19, count: 20, partition: 0, baseOffset: 100 }]);
    expect(places.of(13)).toEqual({ partition: 0, offset: 113 });
  });

  test('that were noted count as one, and none of them goes for the next four', () => {
    const before = new ProducerPlaces();
    for (const number of upTo(5)) before.add(number % 2, [run(number, number % 2)]);
    const places = new ProducerPlaces();
    places.restore(before.runs);
    for (const number of [10, 11, 12, 13]) places.add(0, [run(number, 0)]);
    expect(known(places, upTo(14))).toEqual([...upTo(5), 10, 11, 12, 13]);
    places.add(0, [run(14, 0)]);
    expect(known(places, upTo(15))).toEqual([1, 3, 10, 11, 12, 13, 14]);
  });
});

test('the highest number is known however long ago it was stored, also behind a note', () => {
  const places = new ProducerPlaces();
  places.add(0, [run(1000, 0)]);
  for (const number of upTo(20)) places.add(0, [run(number, 0)]);
  const restored = new ProducerPlaces();
  restored.restore(places.runs);
  for (const number of upTo(20)) restored.add(0, [run(100 + number, 0)]);
  expect(known(places, [0, 14, 15, 19, 1000])).toEqual([15, 19, 1000]);
  expect(known(restored, [15, 1000])).toEqual([1000]);
  expect(restored.of(1000)).toEqual({ partition: 0, offset: 10_000 });
});

test('batches of numbers far apart, of many partitions, are no more than 1,024 runs: the lowest go', () => {
  const gappy = (first: number, partition: number) =>
    upTo(300).map((at) => run(first + 2 * at, partition));
  const places = new ProducerPlaces();
  for (const partition of [3, 1, 2, 0]) places.add(partition, gappy(1000 * partition, partition));
  expect(known(places, [0, 1000, 2000, 3000])).toEqual([0, 2000, 3000]);
  places.add(4, gappy(4000, 4));
  expect(known(places, [0, 1000, 2000, 3000, 4000])).toEqual([2000, 3000, 4000]);
  const large = new ProducerPlaces();
  large.add(0, gappy(0, 0));
  large.add(
    0,
    upTo(2000).map((at) => run(1000 + 2 * at, 0)),
  );
  expect(known(large, [0, 1000, 4998])).toEqual([1000, 4998]);
});
