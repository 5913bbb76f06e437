/** A topic that a group reads, one for what comes of it, and syncs that wait. */
import { onTestFinished } from 'vitest';

import { utf8 } from '../../src/codec/codec.ts';
import { present } from '../../src/core/assert.ts';
import type { ConsumerGroup } from '../../src/group/consumer-group.ts';
import type { RecordBatch } from '../../src/log/record.ts';
import type { StoreTopic } from '../../src/store/store-topic.ts';
import { HeldSyncs } from './held-syncs.ts';
import { turns } from './log-fixture.ts';
import { StoreBench } from './store-fixture.ts';

export const POLL_MS = 1000;

/** A topic with records `0` to `3`, and one for what comes of them. */
export async function setup(partitions = 1) {
  const bench = new StoreBench();
  const held = new HeldSyncs(bench.fileSystem, '/journal/');
  const heldLogs = new HeldSyncs(bench.fileSystem, '/topics/');
  const store = await bench.open();
  onTestFinished(async () => {
    held.release();
    heldLogs.release();
    await store.close().catch(() => undefined);
  });
  const input = await store.topic('input', { codec: utf8, partitions });
  const output = await store.topic('output', { codec: utf8 });
  for (let at = 0; at < 4; at++) {
    await input.append({ value: `${at}` }, { partition: at % partitions });
  }
  const join = () => input.consumerGroup('g', { pollMsMax: POLL_MS });
  return { bench, held, heldLogs, store, input, output, join };
}

/** The next batch of the member, which goes on with it. */
export async function next(member: ConsumerGroup<string>): Promise<RecordBatch<string>> {
  const batches = member.batches();
  const { value } = await batches.next();
  await batches.return();
  return present(value ?? null, 'a batch');
}

export async function valuesOf(topic: StoreTopic<string>): Promise<(string | null)[]> {
  const values: (string | null)[] = [];
  for await (const { value } of topic.records()) values.push(value);
  return values;
}

/** A commit in front, which has everything behind it wait for the disk. */
export async function holdJournal({ held, store, output }: Awaited<ReturnType<typeof setup>>) {
  held.hold();
  const inFront = store.transaction((tx) => tx.append(output, { value: 'in front' }));
  await turns(20);
  return { inFront };
}

/** What waits until it is let go. */
export function gate(): { readonly passed: Promise<void>; readonly open: () => void } {
  let open: () => void = () => undefined;
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { passed, open: () => open() };
}
