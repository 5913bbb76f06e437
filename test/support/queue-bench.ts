/** Queues in tests: on a disk in memory whose process may be killed, and whose power may be cut. */
import { onTestFinished } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { ManualClock } from '../../src/core/clock.ts';
import { SeededRandom } from '../../src/core/random.ts';
import type { Queue, QueueOptions } from '../../src/queue/queue.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/store.ts';
import { FaultyFileSystem } from './faulty-file-system.ts';

export interface OpenQueue {
  readonly store: Store;
  readonly queue: Queue<string>;
}

/** One life of a process after the other, on the same disk. */
export class QueueBench {
  readonly clock = new ManualClock();
  readonly random = new SeededRandom(1);
  fileSystem = new FaultyFileSystem({ random: new SeededRandom(2) });

  async open(options: QueueOptions<string> = {}): Promise<OpenQueue> {
    const { fileSystem, clock, random } = this;
    const store = await openStore('/store', { fileSystem, clock, random, freeBytesMin: 0 });
    onTestFinished(() => store.close().catch(() => undefined));
    return { store, queue: await store.queue('q', { codec: utf8, ...options }) };
  }

  /** SIGKILL: what was written is there. */
  kill(): void {
    this.fileSystem = this.fileSystem.killImage({ inFlight: 'none' });
  }

  /** Only what was synced is there. */
  cutPower(): void {
    this.fileSystem = this.fileSystem.crashImage({ data: 'none', names: 'none' });
  }

  /** Kills the process, and opens the queue in the next one. */
  async next(options: QueueOptions<string> = {}): Promise<OpenQueue> {
    this.kill();
    return this.open(options);
  }
}

/** The headers of a record, as text. */
export function headerTexts(headers: ReadonlyMap<string, Uint8Array>): Record<string, string> {
  return Object.fromEntries(
    [...headers].map(([name, value]) => [name, Buffer.from(value).toString()]),
  );
}
