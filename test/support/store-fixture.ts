/** Stores on disks of the tests: in memory, on a clock that stands still. */
import { ManualClock } from '../../src/core/clock.ts';
import { SeededRandom } from '../../src/core/random.ts';
import { MemoryFileSystem } from '../../src/io/memory-file-system.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/store.ts';
import type { StoreOptions } from '../../src/store/store-options.ts';

export const STORE_PATH = '/data/store';

/** A disk on which stores can be opened one after the other. */
export class StoreBench {
  readonly fileSystem = new MemoryFileSystem();
  readonly clock = new ManualClock();
  readonly random = new SeededRandom(1);

  open(options: StoreOptions = {}): Promise<Store> {
    const { fileSystem, clock, random } = this;
    return openStore(STORE_PATH, { fileSystem, clock, random, ...options });
  }

  /** Closes a store and opens it again. */
  async reopen(store: Store): Promise<Store> {
    await store.close();
    return this.open();
  }
}
