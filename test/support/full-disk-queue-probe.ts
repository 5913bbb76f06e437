/**
 * Fills a real disk to its last byte under an open queue and says what the queue did, as JSON: run
 * from dist as root in a mount namespace of its own (`unshare -m`).
 *
 * Arguments: an empty directory; `tmpfs`, `ext4` or `xfs`; and the `freeBytesMin` of the store, `default`
 * or a number: with 0 it is the kernel that refuses.
 */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { openStore, utf8, type Queue } from '../../src/index.ts';
import { Ballast, codeOf, mountSmallDisk } from './ballast.ts';

export interface FullDiskQueueReport {
  readonly roomBytes: number;
  /** Of sends while the disk was full. */
  readonly codes: readonly string[];
  readonly sentCount: number;
  readonly ackedCount: number;
  /** Of health, when all was worked off. */
  readonly problems: readonly string[];
  /** The error of the first send again that was not a full disk; null = it was taken. */
  readonly resumed: string | null;
  readonly statusAfter: string;
  /** Values that are there after a close and an open. */
  readonly leftAfterReopening: readonly (string | null)[];
}

const VALUE = 'x'.repeat(4096);
const SENT = 2000;
const TRIES = 20;
const RESUME_MS_MAX = 30_000;
const FULL = 'ERR_VARVE_DISK_FULL';

async function codeOfSend(queue: Queue<string>, value: string): Promise<string | null> {
  return queue.send(value).then(() => null, codeOf);
}

/** Again and again until it is not the full disk that refuses, or for too long. */
async function resume(queue: Queue<string>): Promise<string | null> {
  const endMs = Date.now() + RESUME_MS_MAX;
  for (;;) {
    const code = await codeOfSend(queue, 'again');
    if (code !== FULL || Date.now() > endMs) return code;
    await delay(100);
  }
}

async function probe(root: string, freeBytesMin: number | null): Promise<FullDiskQueueReport> {
  const path = join(root, 'store');
  const ballast = new Ballast(root);
  const store = await openStore(path, { freeBytesMin });
  const queue = await store.queue('q', { codec: utf8, segmentBytesMax: 256 * 1024 });
  await queue.sendBatch(Array.from({ length: SENT }, () => ({ value: VALUE })));
  const roomBytes = ballast.fill();
  const codes: string[] = [];
  let sentCount = SENT;
  for (let count = 0; count < TRIES; count++) {
    const code = await codeOfSend(queue, VALUE);
    if (code === null) sentCount++;
    else codes.push(code);
  }
  let ackedCount = 0;
  for (;;) {
    const deliveries = await queue.acquire({ max: 50 });
    if (deliveries.length === 0) break;
    await queue.ackAll(deliveries);
    ackedCount += deliveries.length;
  }
  const problems = store.health().problems.map(({ code }) => code);
  const resumed = await resume(queue);
  ballast.makeRoom();
  const endMs = Date.now() + RESUME_MS_MAX;
  while (store.health().status !== 'ok' && Date.now() < endMs) await delay(100);
  const statusAfter = store.health().status;
  await store.close();
  const again = await openStore(path, { freeBytesMin });
  const left = await again.queue('q', { codec: utf8 });
  const values: (string | null)[] = [];
  for await (const { record } of left.browse()) values.push(record.value);
  await again.close();
  return {
    roomBytes,
    codes,
    sentCount,
    ackedCount,
    problems,
    resumed,
    statusAfter,
    leftAfterReopening: values,
  };
}

const [, , directory = '', type = '', floor = ''] = process.argv;
const root = mountSmallDisk(directory, type);
const freeBytesMin = floor === 'default' ? null : Number(floor);
process.stdout.write(JSON.stringify(await probe(root, freeBytesMin)));
