/** Stores whose ids have no memory: those of sealed segments are looked for on the disk. */
import { vi } from 'vitest';

import { SegmentTables } from '../../../src/log/segment-tables.ts';
import { DedupMemory } from '../../../src/topic/dedup-memory.ts';

/**
 * From now on, until mocks are restored, what has a table is not loaded.
 *
 * @returns how often a table was looked into on the disk
 */
export function withoutMemoryForIds(): () => number {
  vi.spyOn(DedupMemory.prototype, 'roomFor').mockReturnValue(1);
  const looks = vi.spyOn(SegmentTables.prototype, 'readPart');
  return () => looks.mock.calls.length;
}
