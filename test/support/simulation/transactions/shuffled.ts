import { randomBelow, type Random } from '../../../../src/core/random.ts';

/** The same in any order. */
export function shuffled<T>(random: Random, all: readonly T[]): readonly T[] {
  const left = [...all];
  const mixed: T[] = [];
  while (left.length > 0) mixed.push(...left.splice(randomBelow(random, left.length), 1));
  return mixed;
}
