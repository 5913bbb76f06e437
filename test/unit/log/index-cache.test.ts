import { describe, expect, test } from 'vitest';

import { INDEX_CACHE_BYTES } from '../../../src/core/limits.ts';
import { MemoryFileSystem } from '../../../src/io/memory-file-system.ts';
import { IndexCache } from '../../../src/log/index-cache.ts';
import { SegmentIndex } from '../../../src/segment/segment-index.ts';
import { Segment } from '../../../src/segment/segment.ts';

/** An index of about 2.6 MB. */
function largeIndex(): SegmentIndex {
  const index = new SegmentIndex();
  for (let at = 1; at <= 100_000; at++) {
    index.add({ baseOffset: at, position: 128 + at * 4096, maxCreateTimeMs: 0 });
  }
  return index;
}

function segmentAt(baseOffset: number, index: SegmentIndex): Segment {
  const segment = new Segment(`/${baseOffset}.log`, baseOffset, 0);
  segment.index = index;
  return segment;
}

describe('IndexCache', () => {
  test('lets go of the indexes asked for longest ago, so that memory has a bound', async () => {
    const file = await new MemoryFileSystem().open('/any', 'create');
    const cache = new IndexCache();
    const template = largeIndex();
    const segments = Array.from({ length: 10 }, (_, at) => segmentAt(at, template));
    for (const segment of segments) await cache.load(segment, file);
    const held = segments.filter(({ index }) => index !== null);
    expect(held.length).toBe(Math.floor(INDEX_CACHE_BYTES / (template.sizeBytes + 256)));
    expect(held).toEqual(segments.slice(-held.length));
  });

  test('asking again keeps an index', async () => {
    const file = await new MemoryFileSystem().open('/any', 'create');
    const cache = new IndexCache();
    const template = largeIndex();
    const [first, ...others] = Array.from({ length: 10 }, (_, at) => segmentAt(at, template));
    if (first === undefined) throw new Error('ten segments');
    for (const segment of others) {
      expect(await cache.load(first, file)).toBe(template);
      await cache.load(segment, file);
    }
    expect(first.index).toBe(template);
    expect(others[0]?.index).toBeNull();
  });

  test('leaves the index of the active segment to its writer', async () => {
    const file = await new MemoryFileSystem().open('/any', 'create');
    const cache = new IndexCache();
    const template = largeIndex();
    const active = segmentAt(0, template);
    active.file = file;
    await cache.load(active, file);
    for (let at = 1; at < 10; at++) await cache.load(segmentAt(at, template), file);
    expect(active.index).toBe(template);
  });
});
