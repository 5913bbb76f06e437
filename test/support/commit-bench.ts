/** Commits in tests: a store, what it is told, what it shows. */
import { onTestFinished } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { present } from '../../src/core/assert.ts';
import { ManualClock } from '../../src/core/clock.ts';
import { SeededRandom } from '../../src/core/random.ts';
import type { Change } from '../../src/journal/journal.ts';
import type { DurabilityLevel } from '../../src/log/log-options.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/store.ts';
import type { StoreTopic } from '../../src/store/store-topic.ts';
import { FaultyFileSystem } from './faulty-file-system.ts';

const PARTITIONS = 3;

export type Texts = readonly (readonly string[])[];

/** A store with a topic of three partitions on a disk that may fail. */
export class CommitBench {
  readonly clock = new ManualClock();
  readonly random = new SeededRandom(1);
  fileSystem: FaultyFileSystem;

  constructor() {
    this.fileSystem = new FaultyFileSystem({ random: new SeededRandom(2) });
  }

  async open(durability: DurabilityLevel = 'sync', freeBytesMin = 0) {
    const { fileSystem, clock, random } = this;
    const options = { fileSystem, clock, random, freeBytesMin };
    const store = await openStore('/store', options);
    onTestFinished(() => store.close().catch(() => undefined));
    const topicOptions = { codec: utf8, partitions: PARTITIONS, durability };
    return { store, topic: await store.topic('t', topicOptions) };
  }

  /** The disk after a power cut that took everything that was not synced. */
  cutPower(): void {
    const image = this.fileSystem.crashImage({ data: 'none', names: 'none' });
    this.fileSystem = image;
  }
}

/** Commits `texts`, by partition, with `changes`. */
export async function commit(
  { store, topic }: { readonly store: Store; readonly topic: StoreTopic<string> },
  texts: Texts,
  changes: readonly Change[] = [],
) {
  const appends = [];
  for (const [partition, own] of texts.entries()) {
    if (own.length === 0) continue;
    appends.push(
      ...(await topic.forCommit(
        own.map((value) => ({ value })),
        { partition },
      )),
    );
  }
  return store.committer.commit({ appends, changes });
}

/** All records, by partition. */
export async function contents(topic: StoreTopic<string>): Promise<Texts> {
  const found: string[][] = [];
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const own: string[] = [];
    for await (const { value } of topic.records({ partitions: partition })) {
      own.push(present(value, 'a text'));
    }
    found.push(own);
  }
  return found;
}
