/** Compares the flights that a queue got with those that the input says it is to get. Pure. */

export interface Deliveries {
  /** Numbers of the flights, in the order in which they came. */
  readonly delivered: readonly number[];
  /** Those that were to come, ascending. */
  readonly wanted: readonly number[];
  /** Below: published before the queue was bound, and brought to it beside what came later. */
  readonly pastBelow: number;
}

export interface DeliveryCheck {
  readonly missing: number;
  /** That were not for the queue. */
  readonly wrong: number;
  /** More than once. */
  readonly again: number;
  /** Behind one that was published later; between past and present there is no order. */
  readonly outOfOrder: number;
}

export function checkDeliveries({ delivered, wanted, pastBelow }: Deliveries): DeliveryCheck {
  const there = new Set(delivered);
  const expected = new Set(wanted);
  const past = delivered.filter((number) => number < pastBelow);
  const present = delivered.filter((number) => number >= pastBelow);
  return {
    missing: wanted.filter((number) => !there.has(number)).length,
    wrong: delivered.filter((number) => !expected.has(number)).length,
    again: delivered.length - there.size,
    outOfOrder: stepsBack(past) + stepsBack(present),
  };
}

export function isExact({ missing, wrong, again, outOfOrder }: DeliveryCheck): boolean {
  return missing === 0 && wrong === 0 && again === 0 && outOfOrder === 0;
}

function stepsBack(numbers: readonly number[]): number {
  return numbers.filter((number, at) => at > 0 && number < (numbers[at - 1] ?? 0)).length;
}
