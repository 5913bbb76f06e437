/**
 * Commits positions of consumer groups at `sync`, one caller per group, each commit behind the one
 * before: what a service with that many groups does all day.
 *
 * Timed from the first commit to the last acknowledgement; joining the groups is not.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { openStore, type ConsumerGroup } from '../../src/index.ts';
import { assert } from '../../src/core/assert.ts';
import type { Job } from '../core/job.ts';
import { makeRecords } from './records.ts';

export type CommitPositionsParameters = {
  readonly groups: number;
  /** Per run; a multiple of `groups`. */
  readonly commits: number;
};

export async function openJob(
  directory: string,
  { groups, commits }: CommitPositionsParameters,
): Promise<Job> {
  const path = join(directory, 'store');
  const each = commits / groups;
  assert(Number.isInteger(each), 'commits is a multiple of groups');
  return {
    async run() {
      const store = await openStore(path);
      const topic = await store.topic('t', { durability: 'os' });
      await topic.appendBatch(makeRecords(each, { valueBytes: 10 }));
      await topic.sync();
      const members: ConsumerGroup<Uint8Array>[] = [];
      for (let at = 0; at < groups; at++) {
        const member = await topic.consumerGroup(`group-${at}`, { from: 'earliest' });
        await member.batches().next(); // Owns the partition from here on.
        members.push(member);
      }
      const startMs = performance.now();
      await Promise.all(members.map((member) => commitAll(member, each)));
      const ms = performance.now() - startMs;
      const { endOffset, syncedOffset } = store.stats().journal;
      assert(syncedOffset === endOffset, 'every commit is synced');
      assert(
        members.every((member) => member.committed(0)?.offset === each),
        'the last one counts',
      );
      const bytes = store.stats().journal.sizeBytes;
      await store.close();
      rmSync(path, { recursive: true });
      return { bytes, records: commits, ms };
    },
    close: () => Promise.resolve(),
  };
}

async function commitAll(member: ConsumerGroup<Uint8Array>, count: number): Promise<void> {
  for (let offset = 1; offset <= count; offset++) await member.commit({ partition: 0, offset });
}
