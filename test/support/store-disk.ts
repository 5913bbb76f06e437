/** Stores on a disk that can lose its power: what was not synced may be gone then. */
import { dirname, join } from 'node:path';

import { ManualClock } from '../../src/core/clock.ts';
import { SeededRandom } from '../../src/core/random.ts';
import { RESERVE_FILE } from '../../src/format/file-names.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/store.ts';
import type { StoreOptions } from '../../src/store/store-options.ts';
import type { CrashChoice } from './crash-choice.ts';
import type { Outcome } from './drive.ts';
import { FaultyFileSystem, type FaultyFileSystemOptions } from './faulty-file-system.ts';
import { STORE_PATH } from './store-fixture.ts';

/** Only what was synced. */
export const SYNCED_ALONE: CrashChoice = { data: 'none', names: 'none' };

/** Steps of 10 ms in which nothing but time moves, after which a program is taken to hang. */
const IDLE_STEPS_MAX = 2000;

/** An empty directory for the store; its reserve is empty, too: a MiB takes longer than a short test. */
export async function prepareStore(fileSystem: FaultyFileSystem): Promise<void> {
  await fileSystem.makeDirectory(STORE_PATH);
  const file = await fileSystem.open(join(STORE_PATH, RESERVE_FILE), 'create');
  await file.close();
  for (const path of [STORE_PATH, dirname(STORE_PATH), '/']) await fileSystem.syncDirectory(path);
}

export class StoreDisk {
  fileSystem: FaultyFileSystem;
  /** A new one after each crash: the timers of a dead program are gone. */
  clock = new ManualClock();
  /** One for all openings: ids must not come again. */
  readonly random: SeededRandom;

  private constructor(fileSystem: FaultyFileSystem, seed: number) {
    this.fileSystem = fileSystem;
    this.random = new SeededRandom(seed);
  }

  /** A disk on which a store can be opened. */
  static async make(options: Partial<FaultyFileSystemOptions> = {}): Promise<StoreDisk> {
    const fileSystem = new FaultyFileSystem({ random: new SeededRandom(1), ...options });
    await fileSystem.drive(prepareStore(fileSystem));
    return new StoreDisk(fileSystem, 1);
  }

  /** Another disk with the same on it, and ids of its own; the store is closed, or its process gone. */
  copy(): StoreDisk {
    return new StoreDisk(this.fileSystem.killImage(), 2);
  }

  /** Another disk with what a power cut would leave of this one. */
  copyAfterPowerCut(choice: CrashChoice = SYNCED_ALONE): StoreDisk {
    return new StoreDisk(this.fileSystem.crashImage(choice), 2);
  }

  open(options: StoreOptions = {}): Promise<Store> {
    const { fileSystem, clock, random } = this;
    return openStore(STORE_PATH, { fileSystem, clock, random, ...options });
  }

  /** Stops the machine; then the disk is what a power cut leaves. */
  cutPower(choice: CrashChoice = SYNCED_ALONE): void {
    this.fileSystem.crash();
    this.fileSystem = this.fileSystem.crashImage(choice);
    this.clock = new ManualClock(this.clock.now());
  }

  /** Stops the process; then the disk is what the kernel holds. */
  kill(): void {
    this.fileSystem.crash();
    this.fileSystem = this.fileSystem.killImage();
    this.clock = new ManualClock(this.clock.now());
  }

  /** Runs `work` to its end or the crash; time moves when nothing else does. */
  drive<T>(work: Promise<T>): Promise<Outcome<T>> {
    const { clock, fileSystem } = this;
    let idleLeft = IDLE_STEPS_MAX;
    return fileSystem.drive(work, {
      onIdle: () => {
        if (clock.pendingTimerCount === 0 || idleLeft-- <= 0) return false;
        clock.advance(10);
        return true;
      },
    });
  }
}
