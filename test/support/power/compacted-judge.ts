/** Opens what a power cut left of a log that was being compacted, and holds it against what was appended to it. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { SEGMENT_HEADER_BYTES } from '../../../src/format/layout.ts';
import { parseSegmentHeader } from '../../../src/format/segment-header.ts';
import { openLog, verifyLog, type Log } from '../../../src/index.ts';
import { CompactionOracle } from '../compaction-oracle.ts';
import { contentOf } from '../disk-damage.ts';
import { pathsOn } from '../faults/image-key.ts';
import type { FaultyFileSystem } from '../faulty-file-system.ts';
import { COMPACTED_LOG } from './compacted-log.ts';
import { keyedAt } from './keyed-records.ts';

/** Seen from the traced directory. */
export const TRACED = { log: '/log', told: '/told' } as const;

/** Of all segments of the one log below `root`, but for the last, in order. */
export function generationsIn(fileSystem: FaultyFileSystem, root: string): number[] {
  return segmentsOn(fileSystem, root)
    .slice(0, -1)
    .map((path) => {
      const bytes = contentOf(fileSystem, path).slice(0, SEGMENT_HEADER_BYTES);
      return parseSegmentHeader(bytes).header?.generation ?? 0;
    });
}

/**
 * Looks at it, then compacts it until nothing is left that may go.
 *
 * @param told  what its process was told until then, and what it tried
 * @throws Error that says what is wrong
 */
export async function judgeCompacted(
  image: FaultyFileSystem,
  seed: number,
  told: ReadonlyMap<string, readonly number[]>,
): Promise<void> {
  const triedEnd = told.get('try')?.at(-1) ?? 0;
  const end = told.get('end')?.at(-1) ?? 0;
  const oracle = new CompactionOracle();
  for (let offset = 0; offset < triedEnd; offset++) oracle.note(keyedAt(seed, offset));
  const log = await openLog(TRACED.log, { ...COMPACTED_LOG, fileSystem: image });
  assert.ok(log.endOffset >= end, `lost: ends at ${log.endOffset}, not ${end}`);
  assert.ok(log.endOffset <= triedEnd, `invented: ends at ${log.endOffset}, not ${triedEnd}`);
  assert.equal(await complaint(oracle, log, image), null);
  const result = await log.compact();
  assert.equal(await complaint(oracle, log, image), null, 'gone on with');
  assert.equal(await oracle.leftover(log, result.limitOffset), null);
  await log.close();
  const temporaries = pathsOn(image).filter((path) => path.endsWith('.tmp'));
  assert.deepEqual(temporaries, []);
  for await (const event of verifyLog(TRACED.log, { fileSystem: image })) {
    if (event.type === 'damage') assert.fail(`verify: ${JSON.stringify(event)}`);
  }
}

function complaint(
  oracle: CompactionOracle,
  log: Log<string>,
  image: FaultyFileSystem,
): Promise<string | null> {
  const last = segmentsOn(image, TRACED.log).at(-1);
  const limitOffset = last === undefined ? 0 : Number(last.slice(join(TRACED.log, '/').length, -4));
  return oracle.complaint(log, { limitOffset, tombstonesToMs: Number.POSITIVE_INFINITY });
}

function segmentsOn(fileSystem: FaultyFileSystem, root: string): string[] {
  return pathsOn(fileSystem)
    .filter((path) => path.startsWith(`${root}/`) && path.endsWith('.log'))
    .toSorted();
}
