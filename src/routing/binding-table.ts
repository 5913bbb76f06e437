/** The bindings of a topology by slot: small numbers, used again, by which everything else knows them. */
import { assert, present } from '../core/assert.ts';
import type { Binding, BindingIdentity } from './binding.ts';
import { textOfConditions } from './header-conditions.ts';

export class BindingTable {
  readonly #bindings: (Binding | null)[] = [];
  readonly #free: number[] = [];
  readonly #slotsById = new Map<number, number>();
  readonly #slotsByIdentity = new Map<string, number>();

  get size(): number {
    return this.#slotsById.size;
  }

  /** The slot of a binding that makes the same connection, or -1. */
  find(identity: BindingIdentity): number {
    return this.#slotsByIdentity.get(textOf(identity)) ?? -1;
  }

  /** The slot of a binding by its id, or -1. */
  slotOf(bindingId: number): number {
    return this.#slotsById.get(bindingId) ?? -1;
  }

  at(slot: number): Binding {
    return present(this.#bindings[slot], 'the slot is in use');
  }

  /** Takes in a binding that is not in. @returns its slot */
  add(binding: Binding): number {
    assert(!this.#slotsById.has(binding.bindingId), 'each binding has an id of its own');
    const slot = this.#free.pop() ?? this.#bindings.length;
    this.#bindings[slot] = binding;
    this.#slotsById.set(binding.bindingId, slot);
    this.#slotsByIdentity.set(textOf(binding), slot);
    return slot;
  }

  /** Takes out the binding in a slot. */
  remove(slot: number): Binding {
    const binding = this.at(slot);
    this.#slotsById.delete(binding.bindingId);
    this.#slotsByIdentity.delete(textOf(binding));
    this.#bindings[slot] = null;
    this.#free.push(slot);
    return binding;
  }
}

/** Equal for bindings that are one, and for no others. */
function textOf({ exchangeId, target, routingKey, headers }: BindingIdentity): string {
  const conditions = headers === null ? '-' : textOfConditions(headers);
  return `${exchangeId} ${target.kind} ${target.id} ${conditions} ${routingKey}`;
}
