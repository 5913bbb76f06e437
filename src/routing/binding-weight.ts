/**
 * Weights of the bindings of a consistent-hash exchange, which stand where others have a pattern.
 *
 * RabbitMQ takes `+5` and `007` too. Here a weight has one text only, or bound twice it would not be one.
 */
import { assert } from '../core/assert.ts';
import { BINDING_WEIGHT_MAX } from '../core/limits.ts';
import { BadPatternError } from '../core/routing-errors.ts';
import type { ExchangeType } from './binding.ts';

const DIGIT = /^[0-9]$/;

/**
 * Throws where bindings have weights and `pattern` is none: an integer from 1 to 1,000,000, in digits.
 *
 * @param type     of the exchange
 * @param name     what the caller calls it
 * @param pattern  checked by `checkPattern`
 * @throws BadPatternError (`ERR_VARVE_BAD_PATTERN`) with the column of the first character that cannot be
 */
export function checkPatternOf(type: ExchangeType, name: string, pattern: string): void {
  if (type === 'consistent-hash') checkWeight(name, pattern);
}

function checkWeight(name: string, pattern: string): void {
  let weight = 0;
  let column = 1;
  for (const character of pattern) {
    const reason = reasonOf(character, weight);
    if (reason !== null) throw new BadPatternError({ name, pattern, column, reason });
    weight = 10 * weight + Number(character);
    column++;
  }
  if (pattern === '') throw new BadPatternError({ name, pattern, column, reason: 'no weight' });
}

/** The weight of a binding that was checked. */
export function weightOf(routingKey: string): number {
  const weight = Number(routingKey);
  assert(weight >= 1 && weight <= BINDING_WEIGHT_MAX, 'weights are checked before they are bound');
  return weight;
}

/** What a character may not be behind the digits of a number so far; null = it may. */
function reasonOf(character: string, before: number): string | null {
  if (!DIGIT.test(character)) return 'a character that is no digit of a weight';
  if (character === '0' && before === 0) return 'a zero as first digit of a weight';
  const isAbove = 10 * before + Number(character) > BINDING_WEIGHT_MAX;
  return isAbove ? `a weight above ${BINDING_WEIGHT_MAX}` : null;
}
