/** Swaps all sealed segments of a log while it grows, and holds what a crash leaves to what was promised. */
import assert from 'node:assert/strict';
import { join } from 'node:path';

import { present } from '../../../src/core/assert.ts';
import { SEGMENT_HEADER_BYTES } from '../../../src/format/layout.ts';
import { parseSegmentHeader } from '../../../src/format/segment-header.ts';
import type { Log } from '../../../src/log/log.ts';
import { verifyLog } from '../../../src/log/verify.ts';
import { contentOf } from '../disk-damage.ts';
import type { FaultyFileSystem } from '../faulty-file-system.ts';
import { faultyDisk, LOG_PATH, segmentNames, segmentPaths } from '../log-fixture.ts';
import { appendValues, makeNext, openSwappable, sealedOf, valueAt } from '../swaps.ts';

export const RECORDS = 24;
const OPTIONS = { segmentBytesMax: 8 * 1024 };

/** Each third record is superseded by the next but one of these; the others have keys of their own. */
export function keyOf(offset: number): string {
  return offset % 3 === 0 ? `shared ${offset % 2}` : `own ${offset}`;
}

/** By what a pass over the first `RECORDS` would keep. */
function isKept({ offset }: { readonly offset: number }): boolean {
  return offset % 3 !== 0 || offset + 6 >= RECORDS;
}

/** What the program was told before it stopped. */
export interface Known {
  /** Segments whose swap was acknowledged. */
  swappedCount: number;
  /** First offset that was not acknowledged. */
  endOffset: number;
}

/** A closed log with three sealed segments. */
export async function swappableDisk(): Promise<FaultyFileSystem> {
  const fileSystem = await faultyDisk();
  const log = await openSwappable(fileSystem, OPTIONS);
  await appendValues(log, RECORDS, keyOf);
  if (sealedOf(log).length < 3) throw new Error('too few segments');
  await log.close();
  return fileSystem;
}

export async function runSwaps(fileSystem: FaultyFileSystem, known: Known): Promise<void> {
  const log = await openSwappable(fileSystem, OPTIONS);
  // What a process that was killed swapped last is durable from here on.
  known.swappedCount = countNew(await generationsOf(fileSystem));
  for (const [at, old] of sealedOf(log).entries()) {
    if (old.baseOffset >= RECORDS || at < known.swappedCount) continue;
    const made = await makeNext(fileSystem, old, { keeps: isKept });
    const appended = appendValues(log, 1, keyOf).then(() => known.endOffset++);
    assert.equal(await log.forStore().swap.swap(made), true);
    known.swappedCount = at + 1;
    await appended;
  }
  await log.close();
}

/** Which sealed segments are of a next generation, in order. */
async function generationsOf(fileSystem: FaultyFileSystem): Promise<number[]> {
  const paths = await segmentPaths(fileSystem);
  return paths.map((path) => {
    const header = contentOf(fileSystem, path).slice(0, SEGMENT_HEADER_BYTES);
    return present(parseSegmentHeader(header).header, path).generation;
  });
}

function countNew(generations: readonly number[]): number {
  return generations.filter((generation) => generation > 0).length;
}

async function recordsOf(log: Log<string>): Promise<Map<number, string | null>> {
  const found = new Map<number, string | null>();
  for await (const { offset, value } of log.records()) found.set(offset, value);
  return found;
}

/**
 * Opens what a crash left, twice.
 *
 * @throws Error that says what is wrong
 */
export async function checkSwaps(image: FaultyFileSystem, known: Known): Promise<number> {
  const glimpsed = await openSwappable(image, { ...OPTIONS, readOnly: true });
  const seen = await recordsOf(glimpsed);
  await glimpsed.close();
  const log = await openSwappable(image, OPTIONS);
  const found = await recordsOf(log);
  assert.deepEqual(seen, found, 'a read-only look is the same');
  const { endOffset } = log;
  await log.close();
  assert.ok(endOffset >= known.endOffset, `the log ends at ${endOffset}`);
  const temporaries = (await image.list(LOG_PATH)).filter((name) => name.endsWith('.tmp'));
  assert.deepEqual(temporaries, []);
  const generations = await generationsOf(image);
  const newCount = countNew(generations);
  assert.ok(newCount >= known.swappedCount, `${newCount} of ${known.swappedCount} were swapped`);
  assert.deepEqual(
    generations,
    generations.toSorted((one, other) => other - one),
    'oldest first',
  );
  await checkRecords(image, found, { newCount, endOffset });
  for await (const event of verifyLog(LOG_PATH, { fileSystem: image })) {
    assert.equal(event.type, 'segment');
  }
  await checkSecondOpening(image, found);
  return newCount;
}

/** Of a segment that was swapped what was kept, of others everything; for each key the last one. */
async function checkRecords(
  image: FaultyFileSystem,
  found: ReadonlyMap<number, string | null>,
  { newCount, endOffset }: { readonly newCount: number; readonly endOffset: number },
): Promise<void> {
  const bases = (await segmentNames(image)).map((name) => Number(name.slice(0, 20)));
  const compactedTo = bases[newCount] ?? 0;
  const expected = new Map<number, string>();
  const model = new Map<string, string>();
  for (let offset = 0; offset < endOffset; offset++) {
    model.set(keyOf(offset), valueAt(offset));
    if (offset >= compactedTo || isKept({ offset })) expected.set(offset, valueAt(offset));
  }
  assert.deepEqual(found, expected);
  const folded = new Map([...found].map(([offset, value]) => [keyOf(offset), value]));
  assert.deepEqual(folded, model, 'the last of each key is there');
}

/** A second opening finds all as the first one left it. */
async function checkSecondOpening(
  image: FaultyFileSystem,
  found: ReadonlyMap<number, string | null>,
): Promise<void> {
  const contents = async () =>
    new Map(
      (await segmentNames(image)).map((name) => [name, contentOf(image, join(LOG_PATH, name))]),
    );
  const before = await contents();
  const again = await openSwappable(image, OPTIONS);
  assert.deepEqual(await recordsOf(again), found);
  await again.close();
  assert.deepEqual(await contents(), before, 'a second opening changes nothing');
}
