/** What readers could see while transactions were being committed, from step to step of the engine. */
import { deepStrictEqual, ok } from 'node:assert/strict';

import { turns } from '../log-fixture.ts';
import type { TransactionWorld } from './transaction-world.ts';
import type { ModelTransaction, Spot } from './wanted.ts';

/** Steps of promises, between two turns of the event loop. */
const STEPS = 32;

interface Sighting {
  /** By place: where readers end. */
  readonly ends: ReadonlyMap<string, number>;
  readonly positions: readonly (number | undefined)[];
}

/** A transaction that is there. */
export interface FoundTransaction {
  readonly wanted: ModelTransaction;
  readonly spots: readonly Spot[];
}

export class Sightings {
  readonly #world: TransactionWorld;
  readonly #all: Sighting[] = [];
  #last = '';

  constructor(world: TransactionWorld) {
    this.#world = world;
  }

  /** Looks until `work` is done. */
  async during<R>(work: Promise<R>): Promise<R> {
    const state = { isOver: false };
    const done = work.finally(() => {
      state.isOver = true;
    });
    while (!state.isOver) {
      for (let step = 0; step < STEPS; step++) {
        this.#look();
        await Promise.resolve();
      }
      await turns(1);
    }
    return done;
  }

  /** @param found  in the order in which they were committed; the model has them */
  check(found: readonly FoundTransaction[]): void {
    const { model } = this.#world;
    for (const { ends } of this.#all) {
      for (const [place, end] of ends) {
        const isThere = place === 'copies 0' || end <= model.log(place).length;
        ok(isThere, `readers saw ${end} records of ${place}, and not all are there`);
      }
    }
    for (const [index, { spots, wanted }] of found.entries()) {
      const later = found.slice(index).map((one) => one.wanted.positions);
      for (const sighting of this.#all) {
        const shown = spots.filter(({ place, offset }) => offset < endOf(sighting, place));
        if (shown.length === 0) continue;
        deepStrictEqual(shown, spots, `readers saw a part of transaction ${wanted.number}`);
        for (const partition of wanted.positions.keys()) {
          const seen = sighting.positions[partition];
          ok(
            later.some((positions) => positions.get(partition) === seen),
            `readers saw transaction ${wanted.number}, and not its position`,
          );
        }
      }
    }
  }

  #look(): void {
    const { logs, handles } = this.#world;
    const ends = new Map(Array.from(logs, ([place, { visibleOffset }]) => [place, visibleOffset]));
    const { orders, member } = handles;
    const positions = Array.from({ length: orders.partitionCount }, (_, partition) => {
      return member.committed(partition)?.offset;
    });
    const text = `${[...ends.values()].join()} ${positions.join()}`;
    if (text === this.#last) return;
    this.#last = text;
    this.#all.push({ ends, positions });
  }
}

function endOf({ ends }: Sighting, place: string): number {
  return ends.get(place) ?? Number.POSITIVE_INFINITY;
}
