/**
 * Crashes at every point of one run: the disk is kept as it is there, and what was known, so that the
 * program need not run anew up to each of them.
 */
import { SeededRandom } from '../../../src/core/random.ts';
import type { CrashPoint } from '../call-gate.ts';
import type { FaultyFileSystem } from '../faulty-file-system.ts';

/** A machine that stopped. */
export interface Stop<K> {
  readonly fileSystem: FaultyFileSystem;
  /** What was known when it did. */
  readonly known: K;
}

export class Stops<K> {
  readonly #stops = new Map<string, Stop<K>>();

  /** To be asked at the point, with a copy of what is known. */
  add(point: CrashPoint, fileSystem: FaultyFileSystem, known: K): void {
    this.#stops.set(keyOf(point), { fileSystem: fileSystem.stopped(new SeededRandom(0)), known });
  }

  /** Null when the run did not come there. */
  at(point: CrashPoint): Stop<K> | null {
    return this.#stops.get(keyOf(point)) ?? null;
  }
}

function keyOf({ call, when }: CrashPoint): string {
  return `${when} ${call}`;
}
