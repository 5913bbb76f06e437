/** Lets destinations off what they did not take: they, or the source that waits for them, go on. */
import { BatchCursor } from '../format/batch-cursor.ts';
import { recordsOf } from '../format/batch-records.ts';
import { endsWithin, type Clock } from '../core/clock.ts';
import type { Log } from '../log/log.ts';
import type { RecordSource } from '../log/record-source.ts';
import type { Outlet } from './outlet.ts';
import { patiently } from './patience.ts';
import { partitionOfCopy } from './placement.ts';
import type { Projection } from './projection.ts';
import type { ProjectionParts } from './projection-parts.ts';
import type { Routes } from './projection-pass.ts';

type LetOffParts = Pick<ProjectionParts, 'source' | 'newRoutes' | 'clock'>;

/** So long what is on its way is waited for: a disk that hangs may hang for ever. */
const ENDING_MS = 1000;

/** As `Projection.letOff`, once it was resumed. */
export async function letOff(
  projection: Projection,
  topicId: number,
  parts: LetOffParts,
): Promise<number> {
  let skippedCount = 0;
  for (const outlet of projection.outlets.of(topicId)) {
    skippedCount += await letOffLog(projection, outlet, parts);
  }
  await projection.marks.write('sync');
  return skippedCount;
}

/** @returns records that the log will not get */
async function letOffLog(
  projection: Projection,
  outlet: Outlet,
  { source, newRoutes, clock }: LetOffParts,
): Promise<number> {
  const to = projection.knownPosition;
  // One of which nothing is synced need not be behind: little was published since.
  while (projection.isBehind(outlet) || outlet.lastError !== null) {
    await stop(outlet, clock);
    const from = missedFrom(outlet);
    const count = await source.use((log) => countMissed(log, newRoutes(), { outlet, from, to }));
    const isSkipped = await projection.marks.skip(count, () => {
      const isAsCounted = outlet.feeder === null && missedFrom(outlet) === from;
      return isAsCounted ? outlet.skipTo(to) : null; // It was tried again meanwhile, or went on.
    });
    if (isSkipped) return count;
  }
  return 0; // It has caught up by itself.
}

/** What is on its way, and does not come to its end, has not got there. */
function missedFrom(outlet: Outlet): number {
  return outlet.isSettled ? outlet.position : outlet.syncedPosition;
}

/** Nothing comes there any more, and it is known what the log holds, if that can be read. */
async function stop(outlet: Outlet, clock: Clock): Promise<void> {
  if (outlet.feeder !== null) outlet.fallBack();
  if (!(await endsWithin(clock, outlet.settled(), ENDING_MS))) return;
  // What cannot be read, or not soon, counts as missed.
  if (outlet.isKnown || outlet.feeder !== null) return;
  await patiently(
    clock,
    outlet.ask().catch(() => undefined),
  );
}

/** Records of the source below `to` that an outlet was to get and did not. @throws as `Log.batches` */
async function countMissed(
  log: Log<Uint8Array>,
  routes: Routes,
  missed: { readonly outlet: Outlet; readonly from: number; readonly to: number },
): Promise<number> {
  const { outlet, to } = missed;
  const from = Math.max(missed.from, log.startOffset);
  if (from >= to) return 0;
  const source = log.source({ from, to, isDurable: true }, 'reused');
  let count = 0;
  try {
    while (await source.next()) {
      routes.advanceTo(source.batch.header.topologyVersion);
      count += countIn(source, routes, outlet);
    }
  } finally {
    source.close();
  }
  return count;
}

/** Of the batch at which the source stands. */
function countIn(source: RecordSource, routes: Routes, { topicId, partition }: Outlet): number {
  const cursor = new BatchCursor();
  cursor.reset(recordsOf(source.batch));
  let count = 0;
  while (cursor.next()) {
    const isAsked = cursor.offset >= source.from && cursor.offset < source.to;
    if (!isAsked || !routes.topicsOf(cursor).includes(topicId)) continue;
    const partitionCount = routes.partitionCountOf(topicId);
    if (partitionOfCopy(cursor, cursor.offset, partitionCount) === partition) count++;
  }
  return count;
}
