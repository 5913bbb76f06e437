/** The bindings of a topology by slot: small numbers, used again, by which everything else knows them. */
import { assert, present } from '../core/assert.ts';
import type { Binding, BindingIdentity } from './binding.ts';
import { textOfConditions } from './header-conditions.ts';
import { EMPTY, ENTRY, IdTable } from './id-table.ts';
import { hashOf } from './word-table.ts';

export class BindingTable {
  readonly #bindings: (Binding | null)[] = [];
  readonly #free: number[] = [];
  readonly #slotsById = new Map<number, number>();
  /** Slots by a hash of what makes each binding this one. */
  readonly #identities = new IdTable();

  get size(): number {
    return this.#slotsById.size;
  }

  /** The slot of a binding that makes the same connection, or -1. */
  find(identity: BindingIdentity): number {
    const text = textOf(identity);
    const hash = hashOf(text);
    const { entries, mask } = this.#identities;
    for (let at = this.#identities.home(hash); ; at = (at + ENTRY) & mask) {
      const slot = present(entries[at], 'places are below the mask');
      if (slot === EMPTY) return -1;
      if (entries[at + 1] === hash && textOf(this.at(slot)) === text) return slot;
    }
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
    this.#identities.add(slot, hashOf(textOf(binding)));
    return slot;
  }

  /** Takes out the binding in a slot. */
  remove(slot: number): Binding {
    const binding = this.at(slot);
    this.#slotsById.delete(binding.bindingId);
    this.#identities.remove(slot, hashOf(textOf(binding)));
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
