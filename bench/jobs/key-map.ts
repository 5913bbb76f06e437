/**
 * The key map of a pass of compaction alone: no disk, no records. It is filled with as many keys as are asked
 * for, to nine tenths of its slots.
 *
 * What is timed is what a pass has to do with it, 512 keys at a time: their homes are touched, then each is
 * put, or looked up. Making the hashes is not.
 */
import { assert, present } from '../../src/core/assert.ts';
import { Fingerprint } from '../../src/core/fingerprint.ts';
import { GIB } from '../../src/core/limits.ts';
import { KeyMap } from '../../src/log/key-map.ts';
import type { Job, Sample } from '../core/job.ts';

export type KeyMapParameters = {
  /** `put` makes a map and fills it; the others look up what is in, and what is not. */
  readonly measured: 'put' | 'hit' | 'miss';
  readonly keys: number;
};

const BATCH = 512;
const LANES = 3;
const SEED = 0x0f_1e2d_3c4b_5a69;
const KEY_BYTES = 8;

export async function openJob(
  _directory: string,
  { measured, keys }: KeyMapParameters,
): Promise<Job> {
  const filled = measured === 'put' ? null : new FilledMap(keys);
  filled?.fill();
  return {
    run(): Promise<Sample> {
      const isMiss = measured === 'miss';
      const ms = filled === null ? new FilledMap(keys).fill() : filled.lookUp(isMiss);
      return Promise.resolve({ bytes: 0, records: keys, ms });
    },
    close: () => Promise.resolve(),
  };
}

class FilledMap {
  readonly #map: KeyMap;
  readonly #hash = new Fingerprint(SEED);
  readonly #key = new DataView(new ArrayBuffer(KEY_BYTES));
  readonly #lanes = new Uint32Array(LANES * BATCH);
  readonly #keys: number;
  /** So that touching is not left out. */
  touched = 0;

  constructor(keys: number) {
    this.#keys = keys;
    this.#map = new KeyMap(KeyMap.slotsFor(keys, GIB), 0);
  }

  /** @returns ms */
  fill(): number {
    let taken = 0;
    const ms = this.#eachBatch(0, (count, number) => {
      const lanes = this.#lanes;
      const map = this.#map;
      for (let at = 0; at < count * LANES; at += LANES) {
        const [first, second, third] = [lanes[at], lanes[at + 1], lanes[at + 2]];
        if (map.put(first ?? 0, second ?? 0, third ?? 0, number + at / LANES)) taken++;
      }
    });
    assert(taken === this.#keys && this.#map.count === this.#keys, 'each key is in');
    return ms;
  }

  /** @returns ms */
  lookUp(isMiss: boolean): number {
    let found = 0;
    const ms = this.#eachBatch(isMiss ? this.#keys : 0, (count) => {
      const lanes = this.#lanes;
      const map = this.#map;
      for (let at = 0; at < count * LANES; at += LANES) {
        const [first, second, third] = [lanes[at], lanes[at + 1], lanes[at + 2]];
        if (map.get(first ?? 0, second ?? 0, third ?? 0) >= 0) found++;
      }
    });
    assert(found === (isMiss ? 0 : this.#keys), 'each key is found, or none');
    return ms;
  }

  #eachBatch(firstNumber: number, action: (count: number, number: number) => void): number {
    let ms = 0;
    for (let number = 0; number < this.#keys; number += BATCH) {
      const count = Math.min(BATCH, this.#keys - number);
      for (let at = 0; at < count; at++) this.#hashTo(at, firstNumber + number + at);
      const startMs = performance.now();
      for (let at = 0; at < count; at++) {
        this.touched ^= this.#map.touch(present(this.#lanes[at * LANES], 'a lane'));
      }
      action(count, number);
      ms += performance.now() - startMs;
    }
    return ms;
  }

  #hashTo(at: number, number: number): void {
    this.#key.setUint32(0, number, true);
    this.#hash.ofView(this.#key, 0, KEY_BYTES);
    const { high, low, third } = this.#hash;
    this.#lanes[at * LANES] = high;
    this.#lanes[at * LANES + 1] = low;
    this.#lanes[at * LANES + 2] = third;
  }
}
