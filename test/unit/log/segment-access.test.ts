import { describe, expect, test } from 'vitest';

import { acquireListed, acquireSegment } from '../../../src/log/segment-access.ts';
import { Segment } from '../../../src/segment/segment.ts';
import { DirectReaderBench, SEGMENT_PATH } from '../../support/direct-reader-bench.ts';

/** A segment of which somebody knows, and the one that is listed in its place by now. */
async function replaced() {
  const { log, segment: old, handles } = await new DirectReaderBench().lay([{ values: ['one'] }]);
  handles.clear();
  const next = new Segment(SEGMENT_PATH, old.baseOffset, old.sizeBytes);
  return { log, old, next };
}

describe('acquireSegment', () => {
  test('opens no file for a segment that was replaced before', async () => {
    const { log, old, next } = await replaced();
    log.segments.swap(old, next);
    expect(await acquireSegment(log, old)).toBeNull();
    expect(log.handles.openCount).toBe(0);
    const lease = await acquireSegment(log, next);
    expect(lease?.file.path).toBe(SEGMENT_PATH);
    lease?.release();
    await log.handles.close();
  });

  test('gives no file for a segment that is replaced while it is opened', async () => {
    const { log, old, next } = await replaced();
    const acquired = acquireSegment(log, old);
    log.segments.swap(old, next);
    expect(await acquired).toBeNull();
    await log.handles.close();
  });
});

describe('acquireListed', () => {
  test('gives the file of what is listed in its place, with that', async () => {
    const { log, old, next } = await replaced();
    const acquired = acquireListed(log, old);
    log.segments.swap(old, next);
    const found = await acquired;
    expect(found?.segment).toBe(next);
    found?.lease.release();
    await log.handles.close();
  });

  test('gives nothing when nothing is', async () => {
    const { log, old, next } = await replaced();
    log.segments.swap(old, next);
    log.segments.remove([next]);
    expect(await acquireListed(log, old)).toBeNull();
    await log.handles.close();
  });
});
