/** The slow twin of a consistent-hash exchange: each binding's lot by whole numbers and a logarithm. */
import type { Target } from '../../../src/routing/binding.ts';
import { murmur2 } from '../../../src/topic/partitioner.ts';

export interface Weighted {
  readonly bindingId: number;
  readonly target: Target;
  /** Its weight. */
  readonly routingKey: string;
}

const WORD = 0xffff_ffffn;

/** The binding that a key falls to; null = there is none. */
export function hashChoice<B extends Weighted>(bindings: readonly B[], key: string): B | null {
  const hash = BigInt(murmur2(Buffer.from(key, 'utf8'))) & WORD;
  const lots = bindings.map((binding) => ({ binding, lot: lotOf(binding, hash) }));
  lots.sort((one, other) => one.lot - other.lot || order(one.binding, other.binding));
  return lots[0]?.binding ?? null;
}

function lotOf({ target, routingKey }: Weighted, hash: bigint): number {
  const id = BigInt(target.id);
  const high = (id >> 32n) * 2n + (target.kind === 'exchange' ? 1n : 0n);
  const draw = mix((mix(hash ^ mix(id & WORD)) + mix(high)) & WORD);
  return -Math.log((Number(draw) + 0.5) / 2 ** 32) / Number(routingKey);
}

function mix(word: bigint): bigint {
  const first = ((word ^ (word >> 16n)) * 0x85eb_ca6bn) & WORD;
  const second = ((first ^ (first >> 13n)) * 0xc2b2_ae35n) & WORD;
  return second ^ (second >> 16n);
}

function order(one: Weighted, other: Weighted): number {
  const kinds = Number(one.target.kind === 'exchange') - Number(other.target.kind === 'exchange');
  return kinds || one.target.id - other.target.id || one.bindingId - other.bindingId;
}
